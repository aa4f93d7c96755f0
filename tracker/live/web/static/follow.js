// Follow a session, read only.
import { Live } from "./live.js";
import { Room, whoAmI } from "./room.js";
import { staleness } from "./staleness.js";

const me = await whoAmI();
if (me) {
  const room = new Room(me, "follow");
  window.tidetrack = { room };
  new Live((record) => room.take(record), staleness(room, "Do not rely on it."));
}
