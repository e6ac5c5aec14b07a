import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { loadGroups } from './case.js';
import { DIFFERENCES } from './differences.js';
import { runGroup } from './run-group.js';

/** The groups that pass completely. A group is added here when its operators are there, and never leaves. */
const COMPLETE = [
  'cogroup',
  'emit-on-close',
  'grouping',
  'mixed',
  'stateless',
  'suppress',
  'stream-stream-joins',
  'table-joins',
  'tables',
  'windows-session',
  'windows-sliding',
  'windows-time',
];

/** Cases without windows or versioned tables in groups that need those elsewhere: these pass, and stay passing. */
const PARTLY: Readonly<Record<string, number>> = { processors: 22, 'stream-table-joins': 24 };

describe('what Kafka Streams makes of a topology, millrace makes of it', () => {
  for (const group of loadGroups()) {
    const partly = PARTLY[group.name];
    if (!COMPLETE.includes(group.name) && partly === undefined) continue;
    it(`${group.name}${partly === undefined ? '' : ': as far as there are operators'}`, async () => {
      const { failed, notYet, passed } = await runGroup(group);
      assert.deepEqual(failed, []);
      if (partly === undefined) assert.deepEqual(notYet, []);
      else assert.ok(passed >= partly, `${passed} cases pass, ${partly} did before`);
    });
  }
});

describe('what is answered otherwise than by Kafka Streams', () => {
  it('is listed in docs/from-kafka-streams.md, case by case', () => {
    const page = readFileSync('docs/from-kafka-streams.md', 'utf8');
    const unlisted = Object.keys(DIFFERENCES).filter((name) => !page.includes(`\`${name}\``));
    assert.deepEqual(unlisted, []);
  });
});
