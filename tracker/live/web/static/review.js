// A past session: the same panels, at the moment the slider says.
import { $, COLOURS, make, mark, pen, runTime, write } from "./page.js";
import { header } from "./panels.js";
import { Room, whoAmI } from "./room.js";
import { SECONDS } from "./strip.js";

// A session opens at the first moment of beam that has this much tracking behind it.
const SETTLED_MS = 10000;

const me = await whoAmI();

// The list. ------------------------------------------------------------------------------------

async function choose() {
  const answer = await fetch("/api/sessions", { cache: "no-store" });
  const told = await answer.json();
  if (!answer.ok) { write($("words"), told.reason); return; }
  write($("words"), told.length === 0 ? "No session was recorded here yet."
    : `${told.length} ${told.length === 1 ? "session" : "sessions"}, newest first`);
  if (told.length === 0) return;
  const head = ["Session", "Began (UTC)", "Patient", "Plan", "Ended", ""].map(
    (text) => make("th", { scope: "col", text }));
  const rows = told.map((row) => make("tr", {},
    make("th", { scope: "row" }, make("a", { href: `/review?session=${encodeURIComponent(row.name)}`, text: row.name })),
    make("td", { text: row.started.slice(0, 19).replace("T", " ") }), make("td", { text: row.patient_id || "–" }),
    make("td", { text: row.plan_id || "–" }), make("td", { text: row.ending }),
    make("td", {}, make("a", { href: `/review/${encodeURIComponent(row.name)}/report`, text: "Report",
      "aria-label": `Report of ${row.name}` }))));
  $("sessions").append(make("table", {}, make("caption", { class: "hidden", text: "Past sessions" }),
    make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows)));
}

// One session. ---------------------------------------------------------------------------------

async function open(name) {
  write($("words"), `Reading ${name}: an hour of tracking takes half a minute …`);
  const answer = await fetch(`/api/sessions/${encodeURIComponent(name)}`);
  const past = await answer.json();
  if (!answer.ok) { write($("words"), past.reason); return; }
  $("top").replaceChildren();
  document.body.classList.remove("choosing");
  $("choose").hidden = true;
  $("past").hidden = $("scrub").hidden = false;
  const room = new Room(me, "review");
  const began = Date.parse(past.started) || 0;
  const moments = new Moments(past, began);
  const times = past.columns.t;
  scrubber(past, (index) => {
    room.forget();
    room.model.take(moments.model(times[index]) ?? null);
    let from = index;
    while (from > 0 && times[from - 1] > times[index] - (SECONDS + 1) * 1000) from -= 1;
    for (let i = from; i < index; i += 1) room.strip.add(moments.state(i, false));
    const whole = moments.state(index, true);
    room.take(whole);
    for (const said of moments.log(times[index])) room.take(said);
    room.draw();
  });
  window.tidetrack = { room, past };
}

// States of a past session, put together from columns and changes.
class Moments {
  constructor(past, began) {
    this.past = past;
    this.began = began;
  }

  newest(changes, t) {
    let [low, high] = [0, changes.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (changes[middle][0] <= t) low = middle + 1; else high = middle;
    }
    return low === 0 ? undefined : changes[low - 1][1];
  }

  model(t) { return this.newest(this.past.models, t); }

  log(t) { return this.past.log.filter((said) => said.t_ns / 1e6 <= t).slice(-150); }

  state(index, whole) {
    const { columns: c, changes } = this.past;
    const t = c.t[index];
    const place = (name, at) => (c[name][index] === null ? null : {
      at_ns: at * 1e6, position_mm: c[name][index], covariance_mm2: c[`${name}_mm2`][index],
      radius95_mm: c[`${name}95`][index] });
    const state = {
      type: "State", t_ns: t * 1e6, beam: { permitted: c.permitted[index] === 1,
        on: c.on[index] === null ? null : c.on[index] === 1 },
      surrogate: c.amplitude[index] === null ? null
        : { amplitude_mm: c.amplitude[index], sigma_mm: c.sigma[index], velocity_mm_s: null, age_ms: null },
      estimate: place("estimate", t), prediction: place("prediction", c.prediction_at[index]),
      demand_mm: c.demand[index], actuator_mm: c.actuator[index],
    };
    if (!whole) return state;
    return { ...state, run_id: this.past.name, sequence: index,
      wall: new Date(this.began + t).toISOString(), patient_id: this.past.patient_id,
      plan_id: this.past.plan_id, tolerance_mm: this.past.tolerance_mm,
      session: this.newest(changes.session, t) ?? "IDLE", next_step: this.newest(changes.next_step, t) ?? "",
      window: this.newest(changes.window, t) ?? null,
      faults: this.newest(changes.faults, t) ?? [], allowed: [],
      devices: this.newest(this.past.devices, t) ?? [], health: null };
  }
}

// The slider, over a picture of the whole session. ---------------------------------------------

function scrubber(past, show) {
  const times = past.columns.t;
  const last = times.length - 1;
  const play = make("button", { type: "button", text: "Play" });
  const slider = make("input", { type: "range", min: "0", max: String(last), value: "0", step: "1",
    "aria-label": "Time of the session" });
  const picture = make("canvas", { "aria-hidden": "true" });
  const clock = make("span", { class: "clock" });
  const key = make("ul", { class: "key" },
    make("li", {}, make("i", { class: "box permitted" }), make("span", { text: "Beam permitted" })),
    make("li", {}, make("i", { class: "box held" }), make("span", { text: "Held" })));
  $("scrub").append(play, clock, make("div", { class: "track" }, picture, slider), key,
    make("a", { href: `/review/${encodeURIComponent(past.name)}/report`, text: "Report" }));
  const go = (index) => {
    slider.value = String(Math.max(0, Math.min(last, index)));
    const t = times[Number(slider.value)];
    write(clock, `${runTime(t * 1e6)} of ${runTime(past.end * 1e6)}`);
    slider.setAttribute("aria-valuetext", runTime(t * 1e6));
    show(Number(slider.value));
  };
  slider.addEventListener("input", () => go(Number(slider.value)));
  let timer = null;
  play.addEventListener("click", () => {
    if (timer !== null) { clearInterval(timer); timer = null; write(play, "Play"); return; }
    write(play, "Pause");
    if (Number(slider.value) >= last) slider.value = "0";
    timer = setInterval(() => {
      go(Number(slider.value) + 1);
      if (Number(slider.value) >= last) play.click();
    }, 100);
  });
  const draw = () => overview(picture, past);
  new ResizeObserver(draw).observe(picture);
  const tracked = past.changes.session.find(([, state]) => state === "TRACKING");
  const start = tracked
    ? times.findIndex((t, i) => t >= tracked[0] + SETTLED_MS && past.columns.permitted[i]) : -1;
  if (past.torn) mark($("scrub"), "title", past.torn);
  go(start < 0 ? last : start);
}

function overview(canvas, past) {
  const { drawing: d, width, height } = pen(canvas);
  const { columns: c, changes } = past;
  const x = (t) => (past.end ? (t / past.end) * width : 0);
  d.fillStyle = "#1a2634";
  d.fillRect(0, 0, width, height);
  changes.session.forEach(([t, state], i) => {
    if (state !== "HOLDING") return;
    const to = changes.session[i + 1]?.[0] ?? past.end;
    d.fillStyle = "#8a6314";
    d.fillRect(x(t), 0, Math.max(2, x(to) - x(t)), height);
  });
  d.fillStyle = "rgba(46,180,120,.5)";
  let from = null;
  c.t.forEach((t, i) => {
    if (c.permitted[i] && from === null) from = t;
    if (from !== null && (!c.permitted[i] || i === c.t.length - 1)) {
      d.fillRect(x(from), 0, Math.max(1, x(t) - x(from)), height);
      from = null;
    }
  });
  const seen = c.amplitude.filter((v) => v !== null);
  if (seen.length === 0) return;
  const [low, high] = [seen.reduce((a, b) => Math.min(a, b)), seen.reduce((a, b) => Math.max(a, b))];
  d.strokeStyle = COLOURS.soft;
  d.lineWidth = 1;
  d.beginPath();
  let pending = true;
  c.amplitude.forEach((v, i) => {
    if (v === null) { pending = true; return; }
    const y = height - 4 - ((v - low) / (high - low || 1)) * (height - 8);
    if (pending) d.moveTo(x(c.t[i]), y); else d.lineTo(x(c.t[i]), y);
    pending = false;
  });
  d.stroke();
}

// Last, because the class above must be there first.
if (me) {
  header(me, "review");
  const name = new URLSearchParams(location.search).get("session");
  if (name === null) await choose(); else await open(name);
}
