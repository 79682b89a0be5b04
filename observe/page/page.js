"use strict";
{
  const live = document.getElementById("live");
  const state = document.getElementById("state");
  const query = new URLSearchParams(location.search);
  query.set("stream", "1");
  const source = new EventSource("?" + query);
  source.onmessage = event => {
    const open = new Set(Array.from(live.querySelectorAll("details[open]"), d => d.dataset.id));
    live.innerHTML = event.data;
    for (const d of live.querySelectorAll("details")) d.open = open.has(d.dataset.id);
    state.textContent = "live, " + new Date().toLocaleTimeString();
  };
  source.onerror = () => {
    state.textContent = "not live: the connection is lost";
    // A stream that was refused is not tried again by the browser.
    if (source.readyState === EventSource.CLOSED && !document.getElementById("result"))
      setTimeout(() => location.replace(location.href), 5000);
  };
}
