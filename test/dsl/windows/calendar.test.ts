import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type CalendarUnit, calendar, count, type Windowed } from '#src/index.js';
import { failure, feed, open } from '../support.js';
import { readWindows, windowedThrough } from './windows.support.js';

const HOUR = 3_600_000;
const at = (text: string): number => Date.parse(text);
const iso = (moment: number): string => new Date(moment).toISOString().slice(0, 16);
const windowOf = (unit: CalendarUnit, timeZone: string, moment: string, options = {}): readonly [string, string] => {
  const [window] = calendar(unit, { timeZone, ...options }).of(at(moment), 'a');
  assert.ok(window);
  return [iso(window.start), iso(window.end)];
};

describe('calendar windows', () => {
  it('have days of 23 and 25 hours where clocks are put forward and back', () => {
    const day = (moment: string) => windowOf('day', 'Europe/Berlin', moment);
    assert.deepEqual(day('2026-01-15T12:00Z'), ['2026-01-14T23:00', '2026-01-15T23:00']);
    assert.deepEqual(day('2026-03-29T00:00Z'), ['2026-03-28T23:00', '2026-03-29T22:00']);
    assert.deepEqual(day('2026-10-25T22:59Z'), ['2026-10-24T22:00', '2026-10-25T23:00']);
    assert.deepEqual(day('2026-10-25T23:00Z'), ['2026-10-25T23:00', '2026-10-26T23:00']);
  });

  it('begin a day whose midnight is left out with the first moment of it', () => {
    assert.deepEqual(windowOf('day', 'Africa/Cairo', '2026-04-24T10:00Z'), ['2026-04-23T22:00', '2026-04-24T21:00']);
  });

  it('begin a day whose midnight comes twice with the first of them', () => {
    assert.deepEqual(windowOf('day', 'America/Havana', '2026-11-01T05:30Z'), ['2026-11-01T04:00', '2026-11-02T05:00']);
    assert.deepEqual(windowOf('day', 'America/St_Johns', '2010-11-07T02:45Z'), [
      '2010-11-07T02:30',
      '2010-11-08T03:30',
    ]);
  });

  it('have no window for a day that a country left out', () => {
    assert.deepEqual(windowOf('day', 'Pacific/Apia', '2011-12-30T09:59Z'), ['2011-12-29T10:00', '2011-12-30T10:00']);
    assert.deepEqual(windowOf('day', 'Pacific/Apia', '2011-12-30T10:00Z'), ['2011-12-30T10:00', '2011-12-31T10:00']);
  });

  it('are kept for as long as the longest day was: 31 hours', async () => {
    const start = at('1994-01-31T00:00+07:00');
    const window = calendar('day', { timeZone: 'Antarctica/Vostok' });
    const driver = await open(windowedThrough((input) => input.pipe(count({ store: 'a-day', window }))));
    await feed(
      driver,
      'in',
      [0, 26, 28, 30, 31].map((hour) => ['a', hour, start + hour * HOUR]),
    );
    assert.deepEqual(
      (await readWindows(driver)).map(([, value]) => value),
      [1, 2, 3, 4, 1],
    );
  });

  it('have weeks that begin on Monday, or on another day', () => {
    assert.deepEqual(windowOf('week', 'UTC', '2026-11-29T12:00Z'), ['2026-11-23T00:00', '2026-11-30T00:00']);
    assert.deepEqual(windowOf('week', 'UTC', '2026-11-29T12:00Z', { weekStart: 'sunday' }), [
      '2026-11-29T00:00',
      '2026-12-06T00:00',
    ]);
  });

  it('have months, quarters and years', () => {
    assert.deepEqual(windowOf('month', 'America/New_York', '2024-02-29T12:00Z'), [
      '2024-02-01T05:00',
      '2024-03-01T05:00',
    ]);
    assert.deepEqual(windowOf('quarter', 'Asia/Tokyo', '2026-11-29T12:00Z'), ['2026-09-30T15:00', '2026-12-31T15:00']);
    assert.deepEqual(windowOf('year', 'Asia/Kolkata', '2026-11-29T12:00Z'), ['2025-12-31T18:30', '2026-12-31T18:30']);
  });

  it('have the hours of the local clock, also a repeated hour and the half hour of a clock change', () => {
    assert.deepEqual(windowOf('hour', 'Asia/Kolkata', '2026-11-29T12:00Z'), ['2026-11-29T11:30', '2026-11-29T12:30']);
    assert.deepEqual(windowOf('hour', 'Europe/Berlin', '2026-10-25T00:59Z'), ['2026-10-25T00:00', '2026-10-25T01:00']);
    assert.deepEqual(windowOf('hour', 'Europe/Berlin', '2026-10-25T01:00Z'), ['2026-10-25T01:00', '2026-10-25T02:00']);
    assert.deepEqual(windowOf('hour', 'Australia/Lord_Howe', '2026-04-04T14:59Z'), [
      '2026-04-04T14:00',
      '2026-04-04T15:00',
    ]);
    assert.deepEqual(windowOf('hour', 'Australia/Lord_Howe', '2026-04-04T15:00Z'), [
      '2026-04-04T15:00',
      '2026-04-04T15:30',
    ]);
  });

  it('lie side by side and begin with a new date on the clocks there, in all zones', () => {
    const zones = fc.constantFrom(...Intl.supportedValuesOf('timeZone'));
    const units = fc.constantFrom<CalendarUnit>('hour', 'day', 'week', 'month', 'quarter', 'year');
    const moments = fc.integer({ min: 0, max: at('2040-01-01T00:00Z') });
    fc.assert(
      fc.property(zones, units, moments, (timeZone, unit, moment) => {
        const windows = calendar(unit, { timeZone });
        const [window] = windows.of(moment, 'a');
        assert.ok(window && window.start <= moment && moment < window.end);
        // Whatever is remembered: asked from anywhere inside, the answer is the same.
        for (const inside of [window.start, window.end - 1].filter((inside) => inside >= 0))
          assert.deepEqual(calendar(unit, { timeZone }).of(inside, 'a'), [window]);
        assert.equal(windows.of(window.end, 'a')[0]?.start, window.end);
        assert.ok(window.end - window.start <= windows.retentionMs);
        // Before the start clocks show an earlier date (or hour), from it on that of the window.
        const label = labels(unit, timeZone);
        if (unit !== 'hour') assert.notEqual(label(window.start), label(window.start - 1));
        else assert.ok(window.end - window.start <= HOUR);
      }),
      { numRuns: 1_500, examples: [['America/St_Johns', 'day', at('2010-11-07T02:45Z')]] },
    );
  });

  it('count what each day of a zone holds', async () => {
    const driver = await open(
      windowedThrough((input) =>
        input.pipe(
          count({
            store: 'days',
            window: calendar('day', { timeZone: 'Europe/Berlin', grace: '1h' }),
            emit: 'onClose',
          }),
        ),
      ),
    );
    const hours = Array.from({ length: 72 }, (_, hour) => at('2026-10-24T00:00+02:00') + hour * HOUR);
    await feed(
      driver,
      'in',
      hours.map((timestamp) => ['a', 1, timestamp]),
    );
    assert.deepEqual(
      (await readWindows(driver)).map(([, value]) => value),
      [24, 25],
    );
  });

  it('begin before the epoch where the unit or the zone does, and work as all others', async () => {
    const cases: readonly (readonly [CalendarUnit, string])[] = [
      ['week', 'UTC'],
      ['day', 'America/New_York'],
      ['month', 'Pacific/Honolulu'],
      ['quarter', 'America/St_Johns'],
      ['year', 'Europe/Berlin'],
      ['hour', 'Asia/Kolkata'],
    ];
    for (const [unit, timeZone] of cases) {
      const window = calendar(unit, { timeZone });
      const [first] = window.of(0, 'a');
      assert.ok(first);
      const { start, end } = first;
      assert.ok(start < 0 && end > 0, `${unit} ${timeZone}`);
      for (const emit of [{}, { emit: 'onClose' }] as const) {
        const driver = await open(
          windowedThrough((input) => input.pipe(count({ store: 'counts', window, ...emit }))),
          { batchRecords: 1 },
        );
        await feed(driver, 'in', [
          ['a', 'x', 0],
          ['a', 'x', end - 1],
          ['b', 'x', 0],
        ]);
        await driver.crash();
        await driver.restart();
        await feed(driver, 'in', [
          ['a', 'x', 1],
          ['a', 'x', end],
          ['a', 'x', 2 * end + 400 * 24 * HOUR],
        ]);
        const last = new Map((await readWindows(driver)).map(([key, value]) => [key, value]));
        const bounds = `${start}..${end}`;
        assert.deepEqual([last.get(`a ${bounds}`), last.get(`b ${bounds}`)], [3, 1]);
      }
    }
  });

  it('that begin before the epoch are looked up like others, and come before them', async () => {
    const window = calendar('week', { timeZone: 'UTC', retention: '100d' });
    const driver = await open(windowedThrough((input) => input.pipe(count({ store: 'counts', window }))));
    await feed(driver, 'in', [
      ['a', 'x', 5],
      ['a', 'x', at('1970-01-06T00:00Z')],
      ['a', 'x', at('1970-01-13T00:00Z')],
      ['aa', 'x', 5],
    ]);
    const starts = (windows: readonly (readonly [{ readonly start: number }, unknown])[]): string[] =>
      windows.map(([{ start }]) => iso(start).slice(0, 10));
    const store = driver.store<Windowed<string>, number>('counts');
    assert.deepEqual(starts(await store.windows('a')), ['1969-12-29', '1970-01-05', '1970-01-12']);
    assert.deepEqual(starts(await store.windows('a', { from: 0 })), ['1970-01-05', '1970-01-12']);
    assert.deepEqual(starts(await store.windows('a', { to: 0 })), ['1969-12-29']);
    assert.equal(await store.get({ key: 'a', start: at('1969-12-29T00:00Z'), end: at('1970-01-05T00:00Z') }), 1);
  });

  it('are refused for a time zone that there is not, with the nearest', () => {
    const wrong = (timeZone: string) => () => calendar('day', { timeZone });
    assert.throws(wrong('Europe/Berln'), failure('CONFIG_INVALID', /perhaps "Europe\/Berlin"/));
    assert.throws(wrong('Nowhere'), failure('CONFIG_INVALID', /a name of the IANA time zone database/));
    assert.throws(wrong(undefined as unknown as string), failure('CONFIG_INVALID'));
  });

  it('are refused with options that mean nothing', () => {
    assert.throws(
      () => calendar('day', { timeZone: 'UTC', weekStart: 'monday' }),
      failure('CONFIG_INVALID', /only weeks/),
    );
    assert.throws(
      () => calendar('week', { timeZone: 'UTC', weekStart: 'Monday' as 'monday' }),
      failure('CONFIG_INVALID'),
    );
    assert.throws(
      () => calendar('decade' as 'year', { timeZone: 'UTC' }),
      failure('CONFIG_INVALID', /hour, day, week/),
    );
    assert.throws(() => calendar('day', { timeZone: 'UTC', retention: '24h' }), failure('CONFIG_INVALID', /retention/));
  });
});

/** What identifies the unit on the clocks of a zone. Weeks begin with a day. */
function labels(unit: CalendarUnit, timeZone: string): (moment: number) => string {
  const format = new Intl.DateTimeFormat('en-CA', { timeZone, dateStyle: 'short' });
  const length = { hour: 10, day: 10, week: 10, month: 7, quarter: 7, year: 4 }[unit];
  return (moment) => format.format(moment).slice(0, length);
}
