import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { RIGHTS } from '#src/broker/kafkajs/wire/rights.js';
import { projectFile } from '../../../support/project.js';

describe('the rights that requests need', () => {
  it('are known of every request that is sent', () => {
    const folder = projectFile('src/broker/kafkajs/wire');
    const sources = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'));
    const sent = sources.flatMap((text) => [...text.matchAll(/apiName: '(\w+)'/g)].map(([, name]) => name));
    assert.deepEqual([...new Set(sent)].sort(), Object.keys(RIGHTS).sort());
  });
});
