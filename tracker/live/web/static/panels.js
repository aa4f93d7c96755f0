// What a state looks like: header, beam, session, faults, devices, log, numbers.
import {
  $, AXES, capital, length, make, mark, number, offTarget, runTime, span, timeOfDay, write,
} from "./page.js";

// The header: who lies there, since when it runs, where else to look, who is logged in. --------

export function header(me, current) {
  const host = $("top");
  const patient = make("strong", { id: "patient", text: "–" });
  const plan = make("strong", { text: "–" });
  const run = make("span", { text: "–" });
  const clock = make("span", { class: "clock", text: "–:––:––" });
  const day = make("span", { text: "" });
  const links = me.pages.map((page) => make("a", {
    href: `/${page}`, text: capital(page), "aria-current": page === current ? "page" : null,
  }));
  const out = make("button", { type: "button", class: "quiet", text: "Log out" });
  out.addEventListener("click", async () => {
    await fetch("/api/logout", { method: "POST", headers: { "X-CSRF-Token": me.csrf } });
    location.assign("/login");
  });
  const pair = (label, ...values) => make("div", { class: "pair" },
    make("span", { class: "label", text: label }), ...values);
  host.append(
    make("div", { class: "brand" }, make("img", { src: "/static/icon.svg", alt: "", width: "30", height: "30" }),
      make("span", { text: "tidetrack" }), make("small", { text: "research software, not for treatment" })),
    make("div", { class: "identity" }, pair("Patient", patient), pair("Plan", plan),
      pair("Session", run)),
    make("div", { class: "when" }, pair("Run time", clock), pair("Time", day)),
    make("div", { class: "aside" },
      make("nav", { "aria-label": "Pages" }, ...links),
      make("div", { class: "who" }, make("span", { text: `${me.who} · ${me.role}` }), out)),
  );
  return (state) => {
    write(patient, state.patient_id || "not named");
    write(plan, state.plan_id || "not named");
    // A run's identity is known by its beginning, a recorded session's name by when it began.
    write(run, state.run_id.includes("-") ? state.run_id.slice(-15) : state.run_id.slice(0, 8));
    mark(run, "title", state.run_id);
    write(clock, runTime(state.t_ns));
    write(day, timeOfDay(state.t_ns, state));
  };
}

// Beam, session with the one thing to do next, distance of target and beam. --------------------

const BEAM = {
  permitted: ["Permitted", "M4 13l5 5L20 6"],
  held: ["Held", "M7 4v16M17 4v16"],
  unknown: ["Unknown", "M9 9a3 3 0 1 1 4 3c-1 .6-1 1-1 2M12 18v.5"],
};

export function hero() {
  const host = $("hero");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  const icon = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  icon.setAttribute("viewBox", "0 0 24 24");
  icon.setAttribute("aria-hidden", "true");
  icon.append(path);
  const word = make("strong", { id: "beam-word" });
  const read = make("span", { class: "read" });
  const beam = make("div", { id: "beam", class: "beam", role: "status" }, icon,
    make("div", {}, make("span", { class: "label", text: "Beam" }), word, read));
  const name = make("strong", { id: "state", class: "state" });
  const step = make("p", { id: "step", class: "step" });
  const now = make("div", { class: "now", role: "status" },
    make("div", {}, make("span", { class: "label", text: "Session" }), name),
    make("div", {}, make("span", { class: "label", text: "Next" }), step));
  const distance = make("strong", { class: "distance" });
  const of = make("span", { class: "read" });
  const bar = make("i");
  const apart = make("div", { class: "apart" },
    make("span", { class: "label", text: "Target to beam" }), distance,
    make("span", { class: "bar" }, bar), of);
  host.append(beam, now, apart);
  const showBeam = (kind, words) => {
    mark(beam, "data-beam", kind);
    write(word, BEAM[kind][0]);
    mark(path, "d", BEAM[kind][1]);
    write(read, words);
  };
  const show = (state) => {
    const on = state.beam.on;
    showBeam(state.beam.permitted ? "permitted" : "held", state.window && !state.window.open
      ? `Off by plan, ${state.window.why}: ${state.window.detail}`
      : on === null || on === undefined ? "The gate does not say whether beam is on"
        : on ? "The gate reads: beam is on" : "The gate reads: beam is off");
    write(name, capital(state.session.toLowerCase()));
    mark(name, "data-session", state.session);
    write(step, state.next_step);
    const off = offTarget(state);
    const far = off === null ? null : length(off);
    write(distance, far === null ? "–" : `${number(far)} mm`);
    const over = far !== null && far > state.tolerance_mm;
    mark(apart, "data-over", over ? "yes" : "no");
    bar.style.width = far === null ? "0" : `${Math.min(100, 100 * far / state.tolerance_mm)}%`;
    write(of, far === null ? "Not steering"
      : `${over ? "beyond" : "within"} ${number(state.tolerance_mm)} mm tolerance`);
  };
  const unknown = (words) => showBeam("unknown", words);
  unknown("No data yet");
  return { show, unknown };
}

// Faults: reason, since when, what to do. ------------------------------------------------------

const REACTION = { STOP: "Stops", HOLD: "Holds beam", REFUSE_START: "Refuses start", WARN: "Warns" };
// As in the daemon's next step: the hazards are counted along the way of a sample, so that the
// first of them is nearest to what is behind the others.
const RANK = { STOP: 0, HOLD: 1, REFUSE_START: 2, WARN: 3 };

export function faults() {
  const host = $("faults");
  const title = make("h2", { text: "Faults" });
  const list = make("ul", { class: "list scrolls", tabindex: "0", "aria-label": "Active faults" });
  const none = make("p", { class: "none", text: "None active" });
  host.append(title, none, list);
  const shown = new Map();
  return (state) => {
    const active = [...state.faults].sort(
      (a, b) => RANK[a.reaction] - RANK[b.reaction] || a.hazard.localeCompare(b.hazard)
        || b.since_ns - a.since_ns);
    write(title, active.length ? `Faults · ${active.length}` : "Faults");
    none.hidden = active.length > 0;
    list.hidden = active.length === 0;
    for (const [key, row] of shown) {
      if (!active.some((fault) => fault.name + fault.since_ns === key)) {
        row.item.remove();
        shown.delete(key);
      }
    }
    active.forEach((fault, index) => {
      const key = fault.name + fault.since_ns;
      let row = shown.get(key);
      if (row === undefined) {
        row = faultItem(fault);
        shown.set(key, row);
      }
      if (list.children[index] !== row.item) list.insertBefore(row.item, list.children[index] || null);
      write(row.detail, fault.detail);
      const ago = span(Math.max(0, (state.t_ns - fault.since_ns) / 1e9));
      write(row.since, `since ${timeOfDay(fault.since_ns, state)} (${ago})`);
    });
  };
}

function faultItem(fault) {
  const detail = make("p", { class: "detail" });
  const since = make("span", { class: "since" });
  const ends = fault.latched ? "stays until an operator ends it" : "ends by itself";
  const item = make("li", { "data-reaction": fault.reaction },
    make("div", { class: "head" }, make("strong", { text: capital(fault.name) }),
      make("span", { class: "badge", text: REACTION[fault.reaction] || fault.reaction })),
    make("p", { class: "remedy", text: fault.sentence }), detail,
    make("p", { class: "foot" }, since, make("span", { text: ends }),
      make("span", { title: "Row of the table of hazards", text: fault.hazard })));
  return { item, detail, since };
}

// Devices: link, rate, latency, loss. ----------------------------------------------------------

const LOSS_SHOWN = 0.005;

export function devices() {
  const host = $("devices");
  const title = make("h2", { text: "Devices" });
  const body = make("tbody");
  const head = ["Device", "Rate", "Latency", "Age", "Loss", "Bad"].map(
    (text, i) => make("th", { scope: "col", class: i ? "n" : null, text }));
  head[1].append(make("small", { text: " Hz" }));
  head[2].append(make("small", { text: " ms" }));
  head[3].append(make("small", { text: " ms" }));
  head[4].append(make("small", { text: " %" }));
  const table = make("table", {}, make("caption", { class: "hidden", text: "Devices and their links" }),
    make("thead", {}, make("tr", {}, ...head)), body);
  host.append(title, table);
  const rows = new Map();
  return (state) => {
    const up = state.devices.filter((device) => device.up).length;
    write(title, state.devices.length ? `Devices · ${up} of ${state.devices.length} connected` : "Devices");
    for (const [name, row] of rows) {
      if (!state.devices.some((device) => device.device === name)) { row.line.remove(); rows.delete(name); }
    }
    for (const device of state.devices) {
      let row = rows.get(device.device);
      if (row === undefined) {
        row = deviceRow(device);
        rows.set(device.device, row);
        body.append(row.line);
      }
      const loses = device.lost_share > LOSS_SHOWN;
      const talks = device.up && device.role !== "";
      mark(row.line, "data-link", device.up ? (loses ? "loses" : "up") : "down");
      write(row.link, device.up ? "" : "down");
      mark(row.line, "title", device.detail || "");
      const texts = talks
        ? [number(device.rate_hz, device.rate_hz < 10 ? 1 : 0), number(device.latency_ms, 0),
          device.age_ms > 99999 ? "–" : number(device.age_ms, 0), number(100 * device.lost_share, 1), String(device.bad)]
        : ["–", "–", "–", "–", device.role === "" ? "–" : String(device.bad)];
      texts.forEach((text, i) => write(row.cells[i], text));
    }
  };
}

function deviceRow(device) {
  const link = make("small");
  const cells = [0, 1, 2, 3, 4].map(() => make("td", { class: "n" }));
  const line = make("tr", {}, make("th", { scope: "row" },
    make("i", { class: "dot", "aria-hidden": "true" }), make("span", { text: device.device }), link), ...cells);
  return { line, link, cells };
}

// The event log: newest first. -----------------------------------------------------------------

const MOST_LINES = 150;

export function log() {
  const host = $("log");
  const list = make("ol", { class: "scrolls", tabindex: "0", "aria-label": "Event log, newest first" });
  host.append(make("h2", { text: "Event log" }), list);
  const clear = () => list.replaceChildren();
  const add = (said, state) => {
    list.prepend(make("li", { "data-level": said.level },
      make("time", { text: state ? timeOfDay(said.t_ns, state) : runTime(said.t_ns) }),
      make("span", { text: capital(said.text) })));
    while (list.children.length > MOST_LINES) list.lastChild.remove();
  };
  return { add, clear };
}

// Numbers for physicists. ----------------------------------------------------------------------

export function numbers() {
  const host = $("numbers");
  const body = make("dl", { class: "pairs" });
  host.append(make("h2", { text: "Numbers" }), body);
  const cells = new Map();
  const put = (name, text) => {
    let cell = cells.get(name);
    if (cell === undefined) {
      cell = make("dd");
      cells.set(name, cell);
      body.append(make("div", {}, make("dt", { text: name }), cell));
    }
    write(cell, text);
  };
  const place = (p) => (p ? AXES.map((axis) => number(p.position_mm[axis.index], 2)).join("  ") : "–");
  return (state) => {
    const { health, surrogate: s, estimate, prediction } = state;
    const ahead = prediction ? (prediction.at_ns - state.t_ns) / 1e6 : null;
    put("Breathing, mm", s ? `${number(s.amplitude_mm, 2)} ± ${number(s.sigma_mm, 2)}` : "–");
    put("its velocity, mm/s", s ? number(s.velocity_mm_s, 1) : "–");
    put("its newest sample", s ? `${number(s.age_ms, 0)} ms old` : "–");
    put("Estimate SI AP LR, mm", place(estimate));
    put("Prediction SI AP LR, mm", place(prediction));
    put("predicted ahead", ahead === null ? "–" : `${number(ahead, 0)} ms`);
    put("95 % radius now / ahead, mm",
      `${number(estimate?.radius95_mm, 2)} / ${number(prediction?.radius95_mm, 2)}`);
    put("Ticks a second", number(health.tick_hz, 1));
    put("late p50 / p99 / max, ms",
      [health.late_p50_ms, health.late_p99_ms, health.late_max_ms].map((v) => number(v, 2)).join(" / "));
    put("skipped ticks", String(health.skipped_ticks));
    put("Journal", health.recording ? `${Math.round(health.journal_queue / 1024)} KiB waiting` : "not recorded");
    put("free on disk", health.disk_free_bytes ? `${number(health.disk_free_bytes / 1e9, 1)} GB` : "–");
  };
}
