// The requests: which can be made now, which are confirmed first, and what came of each.
//
// Keys are function keys, so that no letter typed by accident asks for anything. Stop asks for no
// confirmation and can be pressed at any time, also while nothing is known of the controller.
import { $, capital, make, mark, write } from "./page.js";

const REQUESTS = [
  { name: "model", label: "Model", key: "F2", does: "take shots and fit the model" },
  { name: "expose", label: "Expose", key: "F3", does: "take one shot" },
  { name: "start", label: "Start", key: "F4", does: "track, and permit the beam" },
  { name: "hold", label: "Hold", key: "F8", does: "hold the beam at once" },
  { name: "resume", label: "Resume", key: "F9", does: "go on after a hold" },
  { name: "reset", label: "Reset", key: "F7", does: "make ready for the next session" },
  { name: "stop", label: "Stop", key: "F10", does: "end: beam off, motion stopped" },
];
const NEXT = { IDLE: "model", READY: "start", HOLDING: "resume", STOPPED: "reset" };
const ANSWER_MS = 4000;

// Request -> what is asked first, given the state; null: it is made at once.
const CONFIRM = {
  start: (state) => ["Start tracking?", [
    `Patient ${state.patient_id || "not named"}, plan ${state.plan_id || "not named"}.`,
    "The machine will follow the target, and the beam will be permitted.",
  ]],
  resume: (state) => {
    const latched = state.faults.filter((fault) => fault.latched);
    return latched.length === 0 ? null : ["Resume?",
      latched.map((fault) => `${capital(fault.name)}: ${fault.sentence} ${fault.detail}`)];
  },
  model: (state) => (state.session === "IDLE" ? null
    : ["Model anew?", ["The present model and its shots are forgotten."]]),
  reset: (state) => ["Reset the session?", [
    "The model is forgotten and every latched fault is ended.",
    state.session === "STOPPED" ? "The next session begins in Idle." : "The session goes back to Idle.",
  ]],
};

export function actions(me) {
  const host = $("actions");
  const answer = make("p", { id: "answer", class: "answer", role: "status" });
  const buttons = REQUESTS.map((request) => {
    const button = make("button", { type: "button", id: `do-${request.name}`, disabled: "",
      "aria-keyshortcuts": request.key, title: capital(request.does) },
    make("span", { text: request.label }), make("kbd", { text: request.key }));
    button.addEventListener("click", () => wish(request));
    return { request, button };
  });
  const after = (from, to) => buttons.slice(from, to).map((each) => each.button);
  const report = make("a", { id: "report", class: "connect", text: "Report", hidden: "" });
  host.append(connected(), ...after(0, 6), report, answer, ...after(6, 7));
  const mayStop = Object.values(me.may).some((names) => names.includes("stop"));
  let state = null;
  let live = false;
  let asking = null;

  function connected() {
    const link = make("a", { id: "connect", class: "connect", href: "#devices" });
    return link;
  }

  const can = (name) => {
    if (name === "stop") return mayStop;
    return live && state !== null && state.allowed.includes(name) && me.may[state.session].includes(name);
  };

  const whyNot = (name) => {
    if (!live) return "this page is not live.";
    const ever = Object.values(me.may).some((names) => names.includes(name));
    if (!ever || (state.allowed.includes(name) && !me.may[state.session].includes(name))) {
      return `not for the role ${me.role}.`;
    }
    return `not possible now. ${state.next_step}`;
  };

  const say = (level, text) => {
    mark(answer, "data-level", level);
    mark(answer, "role", level === "alarm" ? "alert" : "status");
    write(answer, text);
  };

  // Asks for confirmation where it matters; stop never does.
  function wish(request) {
    if (!can(request.name)) { say("info", `${request.label}: ${whyNot(request.name)}`); return; }
    const [title, lines] = CONFIRM[request.name]?.(state) ?? [null, null];
    if (title === null) { closeDialog(); send(request); } else ask(request, title, lines);
  }

  async function send(request) {
    say("info", `${request.label} …`);
    try {
      const reply = await fetch("/api/ask", {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-CSRF-Token": me.csrf },
        body: JSON.stringify({ name: request.name, run_id: state?.run_id ?? "unknown" }),
        signal: AbortSignal.timeout(ANSWER_MS),
      });
      const told = await reply.json();
      if (reply.ok && told.accepted) say("info", `${request.label}: done`);
      else say("alarm", `${request.label} refused. ${capital(told.reason)}`);
    } catch {
      say("alarm", `${request.label} was not delivered. Use the room’s own beam stop.`);
    }
  }

  // Not modal on purpose: stop and everything shown stay in reach.
  function ask(request, title, lines) {
    closeDialog();
    const go = make("button", { type: "button", class: "go", text: request.label });
    const cancel = make("button", { type: "button", text: "Cancel" });
    const dialog = $("dialog");
    dialog.replaceChildren(make("h2", { id: "dialog-title", text: title }),
      make("div", { id: "dialog-words" }, ...lines.map((text) => make("p", { text }))),
      make("div", { class: "choices" }, cancel, go));
    asking = { request, run: state.run_id, session: state.session, back: document.activeElement };
    cancel.addEventListener("click", closeDialog);
    go.addEventListener("click", () => {
      const wanted = asking && can(asking.request.name) ? asking.request : null;
      closeDialog();
      if (wanted) send(wanted);
    });
    dialog.hidden = false;
    go.focus();
  }

  function closeDialog() {
    if (asking === null) return;
    const { back } = asking;
    asking = null;
    $("dialog").hidden = true;
    if (back instanceof HTMLElement) back.focus();
  }

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && asking !== null) { event.preventDefault(); closeDialog(); return; }
    const request = REQUESTS.find((each) => each.key === event.key);
    if (!request || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    if (!event.repeat) wish(request);
  });

  return (newest, isLive) => {
    [state, live] = [newest, isLive];
    for (const { request, button } of buttons) {
      if (button.disabled === can(request.name)) button.disabled = !can(request.name);
      const next = state !== null && NEXT[state.session] === request.name && can(request.name);
      button.classList.toggle("next", next);
    }
    report.hidden = state?.session !== "STOPPED" || !me.pages.includes("review");
    if (state) mark(report, "href", `/review/run/${state.run_id}/report`);
    const devices = state?.devices ?? [];
    const up = devices.filter((device) => device.up).length;
    const all = devices.length > 0 && up === devices.length;
    mark($("connect"), "data-all", live && all ? "yes" : "no");
    write($("connect"), live ? (all ? "Connected" : `Connecting ${up}/${devices.length}`) : "Connect");
    if (asking !== null) {
      const same = state !== null && asking.run === state.run_id && asking.session === state.session;
      if (!same || !can(asking.request.name)) {
        const { label } = asking.request;
        closeDialog();
        say("alarm", `${label} was not asked for: the session has changed meanwhile.`);
      }
    }
  };
}
