import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import ts from 'typescript';
import { projectFile } from '../support/project.js';

const COLUMNS = 110;
const LINES = 300;
const TITLE = 100;
const FILES = 20;

interface SourceFile {
  readonly name: string;
  readonly lines: readonly string[];
}

function filesOf(folder: string): readonly SourceFile[] {
  const path = projectFile(folder);
  const names = readdirSync(path, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  return names.map((name) => ({ name, lines: readFileSync(join(path, name), 'utf8').split('\n') }));
}

const sources = (): readonly SourceFile[] => filesOf('src');

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

/** What a title says whatever it is generated for: of a template, the text between its parts. */
function fixedText(title: ts.Expression): string | undefined {
  if (ts.isStringLiteralLike(title)) return title.text;
  if (!ts.isTemplateExpression(title)) return undefined;
  return title.head.text + title.templateSpans.map(({ literal }) => literal.text).join('');
}

/** The titles of `it`, `describe` and functions that are named after them, such as `describeWithKafka`. */
function titles({ name, lines }: SourceFile): readonly { readonly at: string; readonly title: string }[] {
  const file = ts.createSourceFile(name, lines.join('\n'), ts.ScriptTarget.ES2023);
  const found: { at: string; title: string }[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && ts.isIdentifier(node.expression)) {
      const [first] = node.arguments;
      const title = first && /^(it$|describe)/.test(node.expression.text) ? fixedText(first) : undefined;
      if (first && title !== undefined) {
        const { line } = file.getLineAndCharacterOfPosition(first.getStart(file));
        found.push({ at: `${name}:${line + 1}`, title });
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
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

describe('the folders', () => {
  it(`have at most ${FILES} files each, so that a reader sees a folder whole`, () => {
    for (const folder of ['src', 'test', 'bench', 'topology-examples']) {
      const counts = new Map<string, number>();
      for (const { name } of filesOf(folder)) {
        const path = join(folder, dirname(name));
        counts.set(path, (counts.get(path) ?? 0) + 1);
      }
      assert.ok(counts.size > 0, folder);
      assert.deepEqual(
        [...counts].filter(([, count]) => count > FILES),
        [],
      );
    }
  });
});

describe('the tests', () => {
  it(`have titles of at most ${TITLE} characters`, () => {
    for (const folder of ['test', 'topology-examples']) {
      const all = filesOf(folder).flatMap(titles);
      assert.ok(all.length > 20, `${folder}: ${all.length} titles`);
      assert.deepEqual(
        all.filter(({ title }) => title.length > TITLE).map(({ at, title }) => `${folder}/${at}: ${title.length}`),
        [],
      );
    }
  });
});
