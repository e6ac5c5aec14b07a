import assert from 'node:assert/strict';
import { fromJson } from '#src/serdes/avro/from-json.js';
import { parseSchema } from '#src/serdes/schema/parse.js';

const time = { type: 'long', logicalType: 'timestamp-millis' };
const made = (schema: unknown, json: unknown): unknown => fromJson(parseSchema(schema).schema, json);

describe('Avro of JSON', () => {
  it('takes times in ISO 8601, in UTC if they do not say otherwise, and milliseconds', () => {
    const cases: readonly (readonly [unknown, string])[] = [
      ['2026-03-01T09:00:00.250Z', '2026-03-01T09:00:00.250Z'],
      ['2026-03-01T09:00+02:00', '2026-03-01T07:00:00.000Z'],
      ['2026-03-01T09:00', '2026-03-01T09:00:00.000Z'],
      ['2026-03-01 09:00:30', '2026-03-01T09:00:30.000Z'],
      ['2026-03-01', '2026-03-01T00:00:00.000Z'],
      ['+012026-03-01T09:00:00.000Z', '+012026-03-01T09:00:00.000Z'],
      [1_772_355_600_000, '2026-03-01T09:00:00.000Z'],
      [-1, '1969-12-31T23:59:59.999Z'],
    ];
    for (const [json, expected] of cases) assert.equal((made(time, json) as Date).toISOString(), expected);
  });

  it('takes nothing else for a time', () => {
    for (const json of [
      'order 7',
      '5',
      '',
      '2026-02-30',
      '2026-02-30T00:00Z',
      '2026-03-01T25:00Z',
      'March 1, 2026',
      1e20,
    ])
      assert.throws(
        () => made(time, json),
        /cannot make Avro from JSON: saw .* in the value itself, expected milliseconds/,
      );
  });

  it('leaves a text that is no time a text, where both may stand', () => {
    const either = ['null', time, 'string'];
    assert.equal(made(either, 'order 7'), 'order 7');
    assert.equal(made(either, '2026-02-30'), '2026-02-30');
    assert.deepEqual(made(either, '2026-02-28'), new Date('2026-02-28T00:00:00Z'));
  });
});
