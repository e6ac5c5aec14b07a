import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { serdes } from 'millrace';
import { TestDriver } from 'millrace/testing';
import topology, { type Visit } from './topology.js';

const visits = { key: serdes.string, value: serdes.json<Visit>() };
const counts = { key: serdes.string, value: serdes.int64 };

/** A visit; its key is the page. */
const visit = (page: string, bot = false) => ({ key: page, value: { page, bot } });

describe('visits', () => {
  let driver: TestDriver;

  beforeEach(async () => {
    driver = await TestDriver.create(topology);
  });

  afterEach(() => driver.close());

  it('are counted by page', async () => {
    await driver.input('visits', visits).sendAll([visit('/'), visit('/docs'), visit('/')]);

    const output = await driver.output('visits-by-page', counts).read();
    assert.deepEqual(
      output.map(({ key, value }) => [key, value]),
      [
        ['/', 1],
        ['/docs', 1],
        ['/', 2],
      ],
    );
  });

  it('of bots are not counted', async () => {
    await driver.input('visits', visits).sendAll([visit('/'), visit('/', true)]);

    assert.equal(await driver.store('counts').get('/'), 1);
  });

  it('are counted on after a crash', async () => {
    const input = driver.input('visits', visits);
    await input.send(visit('/'));

    await driver.crash(); // as kill -9 would
    await driver.restart();
    await input.send(visit('/'));

    assert.equal(await driver.store('counts').get('/'), 2);
  });
});
