// The panels of a room, fed by states; drawn at most fifteen times a second.
import { header, hero, faults, devices, log, numbers } from "./panels.js";
import { $ } from "./page.js";
import { Strip } from "./strip.js";
import { Target } from "./target.js";
import { ModelPlot } from "./model.js";

const DRAW_MS = 66;

export class Room {
  constructor(me, current) {
    this.header = header(me, current);
    this.hero = hero();
    this.faults = faults();
    this.devices = devices();
    this.log = log();
    this.numbers = $("numbers") ? numbers() : () => {};
    this.strip = new Strip();
    this.target = new Target();
    this.model = new ModelPlot();
    this.state = null;
    this.drawnAt = 0;
    this.fresh = false;
    const frame = (now) => {
      if (this.fresh && now - this.drawnAt >= DRAW_MS) this.draw(now);
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  take(record) {
    if (record.type === "State") {
      if (this.state && record.run_id !== this.state.run_id) this.forget();
      const first = this.state === null;
      this.state = record;
      if (first && this.early) for (const said of this.early.splice(0)) this.log.add(said, record);
      for (const part of [this.strip, this.target, this.model]) part.add(record);
      this.fresh = true;
    } else if (record.type === "Model") {
      this.model.take(record);
      this.fresh = true;
    } else if (record.type === "Said") {
      // A line needs the time of day, which the first state brings.
      if (this.state) this.log.add(record, this.state);
      else (this.early ||= []).push(record);
    }
  }

  draw(now = performance.now()) {
    this.drawnAt = now;
    this.fresh = false;
    if (!this.state) return;
    this.header(this.state);
    this.hero.show(this.state);
    this.faults(this.state);
    this.devices(this.state);
    this.numbers(this.state);
    this.strip.draw();
    this.target.draw();
    this.model.draw();
  }

  forget() {
    this.log.clear();
    for (const part of [this.strip, this.target, this.model]) part.forget();
    this.state = null;
  }
}

export async function whoAmI() {
  const answer = await fetch("/api/me", { cache: "no-store" });
  if (answer.status === 401) { location.assign("/login"); return null; }
  return answer.json();
}
