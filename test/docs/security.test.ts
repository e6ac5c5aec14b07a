import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { projectFile } from '../support/project.js';

/** `| what | how | \`file\`: title |` */
const ROW = /^\|(?<what>[^|]*)\|(?<how>[^|]+)\| `(?<file>test\/[^`]+)`: (?<title>[^|]+?) \|$/;

describe('docs/security.md', () => {
  const lines = readFileSync(projectFile('docs/security.md'), 'utf8').split('\n');
  const rows = lines.flatMap((line) => {
    const { file, title } = ROW.exec(line)?.groups ?? {};
    return file === undefined || title === undefined ? [] : [{ file, title }];
  });

  it('has a test for each of its sentences, by its title', () => {
    assert.ok(rows.length > 25, `only ${rows.length} rows were understood`);
    for (const { file, title } of rows) {
      assert.ok(existsSync(projectFile(file)), `${file} is not there`);
      assert.ok(readFileSync(projectFile(file), 'utf8').includes(title), `${file} has no test "${title}"`);
    }
  });

  it('has no row without one, but for what is trusted', () => {
    const [, untrusted = ''] = lines.join('\n').split('## What is not trusted');
    const cells = untrusted
      .split('\n')
      .filter((line) => line.startsWith('| ') && !/^\| what( comes in)? \|/.test(line));
    assert.equal(cells.length, rows.length);
  });
});
