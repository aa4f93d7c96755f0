// A page that is not live says so over everything it shows.
import { $, make, span, write } from "./page.js";

export function staleness(room, remedy) {
  const words = make("span");
  const since = make("strong");
  $("stale").append(make("strong", { class: "loud", text: "Not live" }), since, words,
    make("span", { text: remedy }));
  return (live, why, silent_s) => {
    document.body.classList.toggle("stale", !live);
    if (live) return;
    // While a page opens there is nothing old to be warned of yet.
    write(since, room.state ? `Everything shown is ${span(silent_s)} old.` : "No data yet.");
    write(words, why);
    room.hero.unknown("This page does not know");
  };
}
