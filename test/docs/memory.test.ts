import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { projectFile } from '../support/project.js';

/** `| what | at most | set by | \`file\`: title |` */
const ROW = /^\|[^|]*\|[^|]+\|[^|]+\| `(?<file>test\/[^`]+)`: (?<title>[^|]+?) \|$/;

describe('what docs/performance.md says of memory', () => {
  const [, section = ''] = readFileSync(projectFile('docs/performance.md'), 'utf8').split('\n## Memory\n');
  const lines = (section.split('\n## ')[0] as string).split('\n').filter((line) => line.startsWith('| '));

  it('has a test in each row, by its title', () => {
    const rows = lines.filter((line) => !line.startsWith('| what |'));
    assert.ok(rows.length > 10, `${rows.length} rows`);
    for (const row of rows) {
      const { file, title } = ROW.exec(row)?.groups ?? {};
      assert.ok(file !== undefined && title !== undefined, `no test in: ${row}`);
      assert.ok(existsSync(projectFile(file)), `${file} is not there`);
      assert.ok(readFileSync(projectFile(file), 'utf8').includes(title), `${file} has no test "${title}"`);
    }
  });
});
