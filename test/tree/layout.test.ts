import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectFile } from '../support/project.js';

const COLUMNS = 110;
const LINES = 300;

interface SourceFile {
  readonly name: string;
  readonly lines: readonly string[];
}

function sources(): readonly SourceFile[] {
  const src = projectFile('src');
  const names = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  return names.map((name) => ({ name, lines: readFileSync(join(src, name), 'utf8').split('\n') }));
}

/** Lines of prose in comments: not tables, examples, drawings and directives, whose lines cannot be broken. */
function prose({ name, lines }: SourceFile): readonly { readonly at: string; readonly text: string }[] {
  let example = false;
  return lines.flatMap((text, i) => {
    const [, said] = /^\s*(?:\/\/|\/\*\*|\*) (.*)$/.exec(text) ?? [];
    if (said === undefined) return [];
    if (said.startsWith('```')) example = !example;
    const kept = example || /^(\||@|biome-ignore|```| {4})/.test(said);
    return kept ? [] : [{ at: `${name}:${i + 1}`, text }];
  });
}

describe('the source', () => {
  it(`has comments of at most ${COLUMNS} columns`, () => {
    const wide = sources().flatMap((file) => prose(file).filter(({ text }) => text.length > COLUMNS));
    assert.deepEqual(
      wide.map(({ at }) => at),
      [],
    );
  });

  it(`has files of at most ${LINES} lines`, () => {
    const long = sources().filter(({ lines }) => lines.length - 1 > LINES);
    assert.deepEqual(
      long.map(({ name, lines }) => `${name}: ${lines.length - 1}`),
      [],
    );
  });
});
