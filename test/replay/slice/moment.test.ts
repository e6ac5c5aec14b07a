import assert from 'node:assert/strict';
import { formatMoment, type Moment, parseMoment } from '#src/replay/index.js';
import { failure } from '../../dsl/support.js';

describe('a moment', () => {
  const noon = Date.UTC(2026, 2, 1, 12);
  const cases: readonly [text: string, moment: Moment][] = [
    ['earliest', { kind: 'earliest' }],
    ['latest', { kind: 'latest' }],
    ['2026-03-01', { kind: 'time', time: Date.UTC(2026, 2, 1) }],
    ['2026-03-01T12:00', { kind: 'time', time: noon }],
    ['2026-03-01 12:00:00', { kind: 'time', time: noon }],
    ['2026-03-01T12:00:00.250Z', { kind: 'time', time: noon + 250 }],
    ['time:2026-03-01T14:00+02:00', { kind: 'time', time: noon }],
    ['time:2026-03-01T10:30:00-0130', { kind: 'time', time: noon }],
    ['ago:2h', { kind: 'ago', ms: 7_200_000 }],
    [
      'offset:a.b-c:0=5,d:12=0',
      {
        kind: 'offset',
        offsets: [
          { topic: 'a.b-c', partition: 0, offset: 5 },
          { topic: 'd', partition: 12, offset: 0 },
        ],
      },
    ],
  ];
  for (const [text, moment] of cases)
    it(`${text} is read as it is meant, on every machine`, () => assert.deepEqual(parseMoment(text), moment));

  for (const text of [
    '',
    'now',
    'yesterday',
    '2026-13-01',
    '2026-02-30',
    '2026-03-01T25:00',
    '2026-03-01T12',
    'time:5',
    'ago:2',
    'ago:',
    'offset:',
    'offset:a=1',
    'offset:a:0',
    'offset:a:0=-1',
    'offset:a:0=1,',
    'offset:a:0=99999999999999999999',
    'offset:a:0=1,a:0=2',
  ]) {
    it(`${JSON.stringify(text)} is refused, with what can be written`, () => {
      assert.throws(
        () => parseMoment(text, '--until'),
        failure('USAGE', /^cannot read --until: saw .*expected earliest, latest, offset:/),
      );
    });
  }

  it('is written as it is read', () => {
    for (const text of ['earliest', 'latest', '2026-03-01T12:00:00.000Z', 'offset:a:0=5,b:1=2'])
      assert.equal(formatMoment(parseMoment(text)), text);
  });
});
