import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { openEmbeddedBroker } from '#src/broker/embedded/broker.js';
import { Headers } from '#src/model/headers.js';
import { systemClock } from '#src/runtime/config/system.js';
import { openRocksDatabase } from '#src/state/database/rocksdb.js';
import { type Project, useProjects } from '../support.js';

describe('millrace consume', () => {
  const project = useProjects({ inShell: true });

  it('shows key, value, timestamp, partition, offset and headers; bytes that are no text as base64', async () => {
    const here = project('esm-project');
    await fill(here, [
      { key: Buffer.from('a'), value: Buffer.from('{"big":12345678901234567890}') },
      { key: null, value: null },
      { key: Buffer.from([0, 0, 0, 7]), value: Buffer.from([0xff]) },
      { key: Buffer.from('7'), value: Buffer.from('plain text') },
      { key: Buffer.from('lines'), value: Buffer.from('{\n  "n": 1\n}') },
    ]);
    const text = await here.output('consume things --until-end');
    const headers = '[["trace","t1"],["raw",{"base64":"AP8="}],["none",null]]';
    const line = (offset: number, key: string, value: string): string =>
      `{"topic":"things","partition":0,"offset":${offset},"timestamp":100,"key":${key},"value":${value},"headers":${headers}}`;
    assert.deepEqual(text.trimEnd().split('\n'), [
      line(0, '"a"', '{"big":12345678901234567890}'),
      line(1, 'null', 'null'),
      line(2, '{"base64":"AAAABw=="}', '{"base64":"/w=="}'),
      line(3, '"7"', '"plain text"'),
      line(4, '"lines"', '{"n":1}'),
    ]);
  });

  it('begins where --from says and ends after --max', async () => {
    const here = project('esm-project');
    await here.output('produce things', '0\n1\n2\n3\n4\n');
    const values = async (args: string): Promise<string> =>
      (await here.output(`consume things --format value ${args}`)).replaceAll('\n', ' ').trim();
    assert.equal(await values('--until-end'), '0 1 2 3 4');
    assert.equal(await values('--max 2'), '0 1');
    assert.equal(await values('--from 3 --until-end'), '3 4');
    assert.equal(await values('--from 5 --until-end'), '');
    assert.equal(await values('--from latest --until-end'), '');
    assert.equal(await values('--from 1 --max 2 --until-end'), '1 2');
  });

  it('OFFSET_OUT_OF_RANGE, TOPIC_UNKNOWN: exits with 3 and says which offsets and topics exist', async () => {
    const here = project('esm-project');
    await here.output('produce things', '0\n');
    const offset = await here.millrace('consume things --from 9');
    assert.equal(offset.code, 3);
    assert.match(offset.stderr, /^OFFSET_OUT_OF_RANGE: .*saw offset 9, expected 0 to 1/);
    const topic = await here.millrace('consume thing');
    assert.equal(topic.code, 3);
    assert.match(topic.stderr, /^TOPIC_UNKNOWN: .*at thing: saw the topics things\./);
  });

  it('BROKER_UNAVAILABLE where there is no broker, and makes none', async () => {
    const here = project('esm-project');
    const { code, stderr } = await here.millrace('consume things --broker embedded:mistyped');
    assert.equal(code, 3);
    assert.match(stderr, /^BROKER_UNAVAILABLE: there is no broker at embedded:mistyped: saw no such directory/);
    assert.equal(existsSync(here.path('mistyped')), false);
  });

  it('waits for more until it is stopped, and then ends with exit code 0', async () => {
    const here = project('esm-project');
    await here.output('produce things', '"first"\n');
    const running = here.start('consume things');
    await running.until('"first"');
    running.child.kill('SIGINT');
    const { code, stderr } = await running.ended;
    assert.equal(code, 0);
    assert.equal(stderr, 'stopping; signal again to end at once\n');
  });

  it('ends quietly when nobody reads its output any more', async () => {
    const here = project('esm-project');
    await here.output('produce things', '"value"\n'.repeat(50_000));
    const running = here.start('consume things');
    await running.until('"value"');
    running.child.stdout?.destroy();
    const { code, stderr } = await running.ended;
    assert.equal(stderr, '');
    assert.equal(code, 0);
  });
});

async function fill(
  project: Project,
  records: readonly { readonly key: Buffer | null; readonly value: Buffer | null }[],
): Promise<void> {
  const broker = await openEmbeddedBroker({
    directory: project.path('.millrace/broker'),
    openDatabase: openRocksDatabase,
    clock: systemClock,
  });
  await broker.admin.createTopics([{ name: 'things', partitions: 1 }]);
  const writer = await broker.createWriter();
  const headers = new Headers([
    ['trace', Buffer.from('t1')],
    ['raw', Buffer.from([0, 0xff])],
    ['none', null],
  ]);
  await writer.write(records.map((record) => ({ topic: 'things', partition: 0, timestamp: 100, headers, ...record })));
  await writer.flush();
  await broker.close();
}
