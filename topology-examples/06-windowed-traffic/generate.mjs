// Makes requests.jsonl: node generate.mjs > requests.jsonl. The rule is all there is to the data; the README states it in words.
const START = Date.UTC(2026, 2, 1, 9);
const SITES = ['docs', 'shop', 'shop', 'shop', 'blog'];

let state = 1;
/** The next whole number from 0 to below `n`, of the generator of Park and Miller. */
function next(n) {
  state = (state * 48_271) % 2_147_483_647;
  return state % n;
}

const requests = [];
for (let i = 0; i < 1_500; i++) {
  const at = START + i * 800 + next(800);
  const site = SITES[next(SITES.length)];
  // The shop fails more often from 09:08 to 09:12.
  const failing = site === 'shop' && at >= START + 8 * 60_000 && at < START + 12 * 60_000;
  const status = next(100) < (failing ? 25 : 2) ? 503 : 200;
  // One request in fifty is delivered by a server that was cut off for up to two minutes.
  const delay = next(50) === 0 ? next(120_000) : next(3_000);
  requests.push({
    arrived: at + delay,
    line: { site, status, bytes: 200 + next(5_000), at: new Date(at).toISOString() },
  });
}
requests.sort((a, b) => a.arrived - b.arrived);
for (const { line } of requests) process.stdout.write(`${JSON.stringify(line)}\n`);
