import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectFile } from '../support/project.js';

/**
 * Who may write JSON. All of them write a format of their own, whose fields are known to have a form in it;
 * or catch what `JSON.stringify` throws. What a user gave (a key, an id, an option) may be a bigint, a cycle
 * or worse: for messages there is `show`, for output `toJson`, and what has to be told apart is told apart by
 * its bytes.
 */
const WRITERS: Readonly<Record<string, string>> = {
  'model/text/show.ts': 'texts',
  'model/to-json.ts': 'catches',
  'model/code-text.ts': 'texts and values that have a form in it, as code',
  'serdes/json.ts': 'catches: the serde itself',
  'serdes/key-form.ts': 'catches',
  'replay/verify/run-digest.ts': 'catches',
  'serdes/schema/json-text.ts': 'schemas',
  'serdes/registry/http-client.ts': 'requests to the registry',
  'serdes/registry/cached.ts': 'schemas and their references',
  'cli/commands/schema/schema-generate.ts': 'schemas',
  'cli/commands/schema/schema-look.ts': 'schemas',
  'cli/commands/state/state-list.ts': 'names and numbers',
  'cli/records/input-record.ts': 'what was JSON',
  'cli/new/manifest.ts': 'the package.json of a project',
  'cli/terminal/logger.ts': 'what was JSON',
  'cli/terminal/show.ts': 'positions, texts, what was JSON',
  'cli/load/type-check.ts': 'options of the compiler',
  'broker/embedded/keys.ts': 'topics',
  'dsl/topology.ts': 'graphs',
  'graph/describe.ts': 'graphs',
  'replay/answers/compare.ts': 'bytes in hexadecimal',
  'replay/versions/promotion.ts': 'plans, positions',
  'replay/repair/reset.ts': 'plans',
  'replay/versions/shadow-application.ts': 'names of topics',
  'replay/versions/shadow-status.ts': 'names of topics',
  'replay/snapshots/snapshot-format.ts': 'positions, shapes of topologies',
  'runtime/config/application-version.ts': 'names and numbers',
  'runtime/group/member-state.ts': 'names and numbers',
  'runtime/config/offset-texts.ts': 'names and numbers',
  'state/directory/checkpoint.ts': 'names and numbers',
  'state/directory/identity.ts': 'names and numbers',
  'runtime/ledger/ledger-entry.ts': 'names and numbers, and options that were texts',
  'letters/settlements.ts': 'names and numbers',
  'runtime/redrive/redrive-request.ts': 'names and numbers, and options that were texts',
  'cli/letters/letter-text.ts': 'what was JSON, names and numbers',
  'cli/letters/letter-view.ts': 'what was JSON, names and numbers',
  'dsl/clock/noted.ts': 'names and numbers',
  'net/messages.ts': 'what a process asks another one',
  'state/database/synced-mark.ts': 'names and numbers',
};

describe('JSON.stringify', () => {
  it('is called where a format is written, and never to show a value of the user in a message or a log', () => {
    const src = projectFile('src');
    const callers = readdirSync(src, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .filter((file) =>
        readFileSync(join(src, file), 'utf8')
          .split('\n')
          .some((line) => line.includes('JSON.stringify(') && !/^\s*(\*|\/\/)/.test(line)),
      )
      .map((file) => file.replaceAll('\\', '/'));
    assert.ok(callers.length > 0);
    assert.deepEqual(
      callers.filter((file) => !(file in WRITERS)),
      [],
      'use show() or toJson(), or say in this test what is written',
    );
    assert.deepEqual(
      Object.keys(WRITERS).filter((file) => !callers.includes(file)),
      [],
      'these write no JSON any more',
    );
  });
});
