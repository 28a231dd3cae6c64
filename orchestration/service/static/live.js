// Follows a run that is at work: when the server tells of a change, the page is fetched anew.
"use strict";
const place = document.querySelector("[data-live]");
if (place && "EventSource" in window) {
  const source = new EventSource(place.dataset.live);
  let isBusy = false;
  let isStale = false;
  const refresh = async () => {
    if (isBusy) { isStale = true; return; }
    isBusy = true;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("live");
      const old = document.getElementById("live");
      if (fresh && old && !old.contains(document.activeElement)) {
        old.replaceWith(fresh);
      } else if (fresh && old) {
        // somebody is at a button or link: only what cannot hold the focus is renewed
        for (const part of ["dl.figures", "ol.steps", "ol.log", "[role=status]"]) {
          const [before, after] = [old.querySelector(part), fresh.querySelector(part)];
          if (before && after) before.replaceWith(after);
        }
      }
    } finally {
      isBusy = false;
      if (isStale) { isStale = false; refresh(); }
    }
  };
  source.addEventListener("run", refresh);
  source.addEventListener("end", () => { source.close(); setTimeout(() => location.reload(), 300); });
}
