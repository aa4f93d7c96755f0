// The socket of an open page, and whether what it shows is true at this moment.
//
// A page is live while states arrive whose number goes up, the server says that it hears the
// daemon, and a ping of less than a second ago was answered: pings are answered in their place
// among the states, so that states which were long on the way do not pass for new ones.

const STATE_MS = 600;
const PING_MS = 250;
const PONG_MS = 800;
const LOOK_MS = 100;

export class Live {
  // `see(record)` is given what comes; `judge(live, why, silent_s)` is told ten times a second.
  // `view` asks for the states of another page; `stateMs`: a page without a state for so long is
  // not live.
  constructor(see, judge, { view = "", stateMs = STATE_MS } = {}) {
    this.path = view ? `/api/live?view=${view}` : "/api/live";
    this.stateMs = stateMs;
    this.see = see;
    this.judge = judge;
    this.socket = null;
    this.run = null;
    this.sequence = -1;
    this.stateAt = -Infinity;
    this.liveAt = performance.now();
    this.ping = 0;
    this.sent = new Map();
    this.answeredAt = -Infinity;
    this.link = null;
    this.tries = 0;
    this.open();
    setInterval(() => this.beat(), PING_MS);
    setInterval(() => this.look(), LOOK_MS);
  }

  open() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}${this.path}`);
    this.socket = socket;
    this.sent.clear();
    this.answeredAt = -Infinity;
    socket.onmessage = (message) => this.take(JSON.parse(message.data));
    socket.onopen = () => { this.tries = 0; this.beat(); };
    socket.onclose = () => {
      if (this.socket !== socket) return;
      this.socket = null;
      this.link = null;
      this.again();
    };
  }

  // Somebody who is logged out is sent to the login; every other trouble is tried again.
  async again() {
    this.tries += 1;
    try {
      const answer = await fetch("/api/me", { cache: "no-store" });
      if (answer.status === 401) { location.assign("/login"); return; }
    } catch { /* the server is not there: go on trying */ }
    setTimeout(() => this.open(), Math.min(300 * this.tries, 2000));
  }

  take(record) {
    const now = performance.now();
    if (record.type === "Pong") {
      const sent = this.sent.get(record.ping);
      if (sent !== undefined) this.answeredAt = sent;
      for (const key of this.sent.keys()) if (key <= record.ping) this.sent.delete(key);
      return;
    }
    if (record.type === "Link") { this.link = record; return; }
    if (record.type === "State" || record.type === "PatientState") {
      if (record.run_id === this.run && record.sequence <= this.sequence) return;
      this.run = record.run_id;
      this.sequence = record.sequence;
      this.stateAt = now;
    }
    this.see(record);
  }

  beat() {
    if (this.socket === null || this.socket.readyState !== WebSocket.OPEN) return;
    if (this.socket.bufferedAmount > 4096) return;
    this.ping += 1;
    this.sent.set(this.ping, performance.now());
    this.socket.send(String(this.ping));
  }

  look() {
    const now = performance.now();
    let why = "";
    if (this.socket === null || this.socket.readyState !== WebSocket.OPEN) {
      why = "This page has lost the console server.";
    } else if (this.link !== null && !this.link.up) {
      why = "The console server hears nothing from the controller.";
    } else if (now - this.stateAt > this.stateMs) {
      why = "No data arrives at this page.";
    } else if (now - this.answeredAt > PONG_MS) {
      why = "Data arrives late at this page.";
    }
    if (why === "") this.liveAt = now;
    this.judge(why === "", why, (now - this.liveAt) / 1000);
  }
}
