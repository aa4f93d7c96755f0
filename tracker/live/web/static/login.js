// A token for a cookie.
import { $ } from "./page.js";

$("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const answer = $("answer");
  answer.textContent = "";
  try {
    const reply = await fetch("/api/login", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token: $("token").value }),
    });
    if (reply.ok) { location.assign("/"); return; }
    answer.textContent = (await reply.json()).reason;
  } catch {
    answer.textContent = "The console server does not answer.";
  }
  $("token").select();
});
