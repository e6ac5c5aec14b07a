// The code blocks of a Markdown text, and the comparison of shown with real output.

const FENCE = /^(\s*)(`{3,}|~{3,})\s*(\S*)\s*(.*)$/;
/** Lines at the head of a block that say what it is: `// file: name.ts`, `// test`, `# run`. */
const HEADER = /^(?:\/\/|#)\s*(?:(file):\s*(\S+)|(test|run)\b\s*(.*))$/;

/**
 * Every fenced block: its language, the words after it, its text, the line of the text's first line (from 1), and what
 * its header says.
 */
export function blocksOf(markdown) {
  const blocks = [];
  let open;
  markdown.split(/\r?\n/).forEach((line, index) => {
    const fence = FENCE.exec(line);
    const closes = open !== undefined && fence?.[2].startsWith(open.mark) && !fence[3];
    if (!open && fence) {
      const [, indent, mark, language, words] = fence;
      open = { indent, mark, language, words: words.split(/\s+/).filter(Boolean), line: index + 2, lines: [] };
    } else if (closes) {
      const { indent: _indent, mark: _mark, lines, ...block } = open;
      blocks.push({ ...block, text: lines.join('\n'), ...headerOf(lines, block.words) });
      open = undefined;
    } else if (open) {
      open.lines.push(line.startsWith(open.indent) ? line.slice(open.indent.length) : line);
    }
  });
  if (open) throw new Error(`line ${open.line - 1}: the code block is not closed`);
  return blocks;
}

/** What the words after the language and the first lines of a block say of it. */
export function headerOf(lines, words) {
  const header = { headerLines: 0, options: {} };
  for (const word of words) if (word.startsWith('file=')) header.file = word.slice('file='.length);
  for (const line of lines) {
    const match = HEADER.exec(line.trim());
    if (!match) break;
    header.headerLines++;
    if (match[1]) header.file = match[2];
    else header[match[3]] = true;
    for (const option of (match[4] ?? '').split(/\s+/).filter((word) => word.includes('='))) {
      const [name, value] = option.split('=');
      header.options[name] = Number(value);
    }
  }
  return header;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control characters
const COLOURS = /\u001b\[[0-9;]*m/g;
const linesOf = (text) =>
  text
    .replace(COLOURS, '')
    .replace(/\s+$/, '')
    .split('\n')
    .map((line) => line.trimEnd());

const lineMatches = (expected, line) => {
  const parts = expected.split('…').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`).test(line);
};

/**
 * Why the output is not what is shown; undefined if it is. In what is shown, `…` stands for anything within a line, and a
 * line `…` for any number of lines.
 */
export function difference(shown, output) {
  const expected = linesOf(shown);
  const actual = linesOf(output);
  // matched[j]: the expected lines so far can be laid over the first j actual lines.
  let matched = Array.from({ length: actual.length + 1 }, (_, j) => j === 0);
  for (const [index, line] of expected.entries()) {
    const next = new Array(actual.length + 1).fill(false);
    for (let j = 0; j <= actual.length; j++) {
      if (line.trim() === '…') next[j] = matched[j] || (j > 0 && next[j - 1]);
      else next[j] = j > 0 && matched[j - 1] && lineMatches(line, actual[j - 1]);
    }
    if (!next.includes(true)) {
      const reached = matched.lastIndexOf(true);
      return `line ${index + 1} of the output shown: saw ${JSON.stringify(actual[reached] ?? 'the end')}, expected ${JSON.stringify(line)}`;
    }
    matched = next;
  }
  return matched[actual.length]
    ? undefined
    : `saw more output than is shown: ${JSON.stringify(actual[matched.lastIndexOf(true)])}`;
}
