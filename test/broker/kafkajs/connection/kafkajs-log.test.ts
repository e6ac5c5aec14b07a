import assert from 'node:assert/strict';
import { CalmLog } from '#src/broker/kafkajs/connection/kafkajs-log.js';
import type { Logger } from '#src/model/ports.js';
import { ManualClock } from '#src/testing/manual-clock.js';

describe('what kafkajs logs', () => {
  let clock: ManualClock;
  let log: CalmLog;
  let said: string[];
  beforeEach(() => {
    clock = new ManualClock();
    said = [];
    const line =
      (level: string) =>
      (fields: object, message: string): void => {
        said.push(`${level} ${(fields as { broker?: string }).broker} ${message}`);
      };
    const logger: Logger = { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
    log = new CalmLog(logger, clock);
  });
  const take = (message: unknown, broker?: string, awaited = false): void =>
    log.take({ namespace: 'Connection', log: { message, ...(broker !== undefined && { broker }) } }, awaited);

  it('is a warning once a minute for each broker and text, else a debug message', () => {
    for (let second = 0; second < 60; second++, clock.advance(1_000)) {
      take('Connection error: refused', 'a:1');
      if (second < 2) take('Connection error: refused', 'b:1');
      if (second === 5) take('Connection timeout', 'a:1');
    }
    take('Connection error: refused', 'a:1');
    assert.deepEqual(
      said.filter((line) => line.startsWith('warn')),
      [
        'warn a:1 Connection error: refused',
        'warn b:1 Connection error: refused',
        'warn a:1 Connection timeout',
        'warn a:1 Connection error: refused',
      ],
    );
    assert.equal(said.filter((line) => line.startsWith('debug')).length, 60 + 2 + 1 + 1 - 4);
  });

  it('is a debug message where a caller gets the error, and later a warning again', () => {
    take('Connection error: refused', 'a:1', true);
    take('Connection error: refused', 'a:1');
    assert.deepEqual(said, ['debug a:1 Connection error: refused', 'warn a:1 Connection error: refused']);
  });

  it('may be an error, as kafkajs passes some', () => {
    take(new Error('not for this controller'));
    assert.deepEqual(said, ['warn undefined not for this controller']);
  });
});
