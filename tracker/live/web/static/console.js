// The operator's console: the room, and requests of it.
import { actions } from "./actions.js";
import { Live } from "./live.js";
import { Room, whoAmI } from "./room.js";
import { staleness } from "./staleness.js";

const me = await whoAmI();
if (me) {
  const room = new Room(me, "console");
  const show = actions(me);
  const stale = staleness(room, "Use the room’s own beam stop.");
  window.tidetrack = { room };
  let live = false;
  const see = (record) => {
    room.take(record);
    if (record.type === "State") show(record, live);
  };
  new Live(see, (isLive, why, silent_s) => {
    stale(isLive, why, silent_s);
    if (isLive !== live) show(room.state, isLive);
    live = isLive;
  });
}
