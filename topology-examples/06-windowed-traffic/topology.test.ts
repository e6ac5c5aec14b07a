import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describeTopology, serdes, type Windowed } from 'millrace';
import { TestDriver } from 'millrace/testing';
import { projectFile } from '../../test/support/project.js';
import topology, { type Request, type Traffic } from './topology.js';

const file = (name: string): string =>
  readFileSync(projectFile(`topology-examples/06-windowed-traffic/${name}`), 'utf8');
const arrived: readonly (Request & { readonly at: string })[] = file('requests.jsonl')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line));

const MINUTE = 60_000;
const GRACE = 10_000;
const start = (at: string, every: number): number => Math.floor(Date.parse(at) / every) * every;

describe('the windowed-traffic example', () => {
  let driver: TestDriver;

  beforeEach(async () => {
    driver = await TestDriver.create(topology);
    const records = arrived.map((value) => ({ key: value.site, value, timestamp: Date.parse(value.at) }));
    await driver.input('requests', { key: serdes.string, value: serdes.json<Request>() }).sendAll(records);
  });

  afterEach(() => driver.close());

  const perMinute = async () =>
    driver.output('traffic-per-minute', { key: serdes.windowed(serdes.string), value: serdes.json<Traffic>() }).read();
  const lateLetters = async () =>
    (await driver.deadLetters().read()).map(({ value }) => JSON.parse(value ?? 'null') as (typeof arrived)[number]);

  it('is described as in description.txt', () => {
    assert.equal(describeTopology(topology.graph, 'text'), file('description.txt'));
  });

  it('writes each minute of a site once, with every request in it that was not late', async () => {
    const late = new Set((await lateLetters()).map((request) => JSON.stringify(request)));
    // The naive way: all requests at hand, minute by minute.
    const end = Math.max(...arrived.map(({ at }) => Date.parse(at)));
    const expected = new Map<string, Traffic>();
    for (const request of arrived) {
      const from = start(request.at, MINUTE);
      if (late.has(JSON.stringify(request)) || from + MINUTE + GRACE > end) continue;
      const { requests, errors, bytes } = expected.get(`${request.site} ${from}`) ?? {
        requests: 0,
        errors: 0,
        bytes: 0,
      };
      expected.set(`${request.site} ${from}`, {
        requests: requests + 1,
        errors: errors + Number(request.status === 503),
        bytes: bytes + request.bytes,
      });
    }
    const written = await perMinute();
    assert.equal(written.length, expected.size);
    assert.deepEqual(new Map(written.map(({ key, value }) => [`${key?.key} ${key?.start}`, value])), expected);
  });

  it('writes minutes in their order, and sites in that of their names', async () => {
    const keys = (await perMinute()).map(({ key }) => `${key?.start} ${key?.key}`);
    assert.deepEqual(keys, [...keys].sort());
  });

  it('has as dead letters exactly the requests that came later than ten seconds after their minute', async () => {
    let now = 0;
    const late = arrived.filter(({ at }) => {
      now = Math.max(now, Date.parse(at));
      return start(at, MINUTE) + MINUTE + GRACE <= now;
    });
    assert.ok(late.length > 10);
    assert.deepEqual(await lateLetters(), late);
    assert.equal(driver.metrics.nodes['aggregate traffic']?.late, late.length);
  });

  it('reports the incident of the shop, and nothing of the others', async () => {
    const incidents = await driver
      .output('incidents', { key: serdes.windowed(serdes.string), value: serdes.string })
      .read();
    assert.ok(incidents.length > 0);
    for (const { key, value } of incidents) {
      const { start: from, end } = key as Windowed<string>;
      const failed = arrived.filter(
        ({ site, status, at }) => site === 'shop' && status === 503 && Date.parse(at) >= from && Date.parse(at) < end,
      );
      assert.match(value ?? '', /^shop: \d+ failures in the five minutes from 2026-03-01T09:/);
      // Failures that came too late are missing, and these are few.
      assert.ok(failed.length >= 12 && Number(/\d+/.exec(value ?? '')?.[0]) >= failed.length - 4);
    }
  });

  it('keeps a day of minutes to look at', async () => {
    const nine = Date.UTC(2026, 2, 1, 9);
    const found = await driver
      .store<Windowed<string>, Traffic>('traffic')
      .windows('docs', { from: nine, to: nine + 4 * MINUTE });
    assert.deepEqual(
      found.map(([{ start: from }]) => (from - nine) / MINUTE),
      [0, 1, 2, 3, 4],
    );
  });
});
