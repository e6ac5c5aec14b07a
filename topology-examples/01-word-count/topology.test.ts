import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describeTopology, serdes } from 'millrace';
import { TestDriver } from 'millrace/testing';
import { projectFile } from '../../test/support/project.js';
import topology, { type Line } from './topology.js';

const read = (file: string): string => readFileSync(projectFile(`topology-examples/01-word-count/${file}`), 'utf8');

describe('the word-count example', () => {
  let driver: TestDriver;

  beforeEach(async () => {
    driver = await TestDriver.create(topology, { partitions: 2 });
  });

  afterEach(() => driver.close());

  it('is described as in description.txt', () => {
    assert.equal(describeTopology(topology.graph, 'text'), read('description.txt'));
  });

  it('emits the new count of a word whenever it occurs', async () => {
    const lines = driver.input('lines', { key: serdes.string, value: serdes.json<Line>() });
    const counts = driver.output('counts', { key: serdes.string, value: serdes.int64 });

    await lines.send({ key: null, value: { text: 'To be, or not to be' } });

    const emitted = (await counts.read()).map(({ key, value }) => `${key} ${value}`);
    assert.deepEqual(emitted.sort(), ['be 1', 'be 2', 'not 1', 'or 1', 'to 1', 'to 2']);
  });

  it('counts the words of the poem, whichever partition a line came from', async () => {
    const poem = read('lines.jsonl').trim().split('\n');
    const lines = driver.input('lines', { key: serdes.string, value: serdes.json<Line>() });

    await lines.sendAll(poem.map((line, index) => ({ key: null, value: JSON.parse(line), partition: index % 2 })));

    const counts = new Map(await driver.store<string, number>('counts').entries());
    assert.equal(counts.get('the'), 6);
    assert.equal(counts.get('wind'), 4);
    assert.equal(counts.get('who'), 2);
    assert.equal(counts.get('trees'), 1);
  });
});
