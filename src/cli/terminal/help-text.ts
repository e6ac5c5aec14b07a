/** Terminals that were not made wider. */
const COLUMNS = 80;

/**
 * Fits a help text into 80 columns, whatever wrote it: paragraphs are filled again, examples are continued
 * behind a backslash, and lines of a list are continued below their text.
 */
export function helpText(text: string): string {
  const fitted: string[] = [];
  let paragraph: string[] = [];
  const end = (): void => {
    if (paragraph.length > 0) fitted.push(...filled(paragraph.join(' ').split(' '), '', ''));
    paragraph = [];
  };
  for (const line of text.split('\n')) {
    if (/^\S/.test(line)) {
      paragraph.push(line);
      // A title belongs to what follows.
      if (line.endsWith(':')) end();
      continue;
    }
    end();
    fitted.push(...(line.length <= COLUMNS ? [line] : indented(line)));
  }
  end();
  return fitted.join('\n');
}

function indented(line: string): readonly string[] {
  const [, prompt, command] = /^(\s*\$ )(.*)$/.exec(line) ?? [];
  if (prompt !== undefined && command !== undefined) return continued(prompt, command);
  const [, indent = '', rest = ''] = /^(\s*(?:\S+\s{2,})?)(.*)$/.exec(line) ?? [];
  return filled(rest.split(' '), indent, ' '.repeat(indent.length));
}

/** A command over several lines, cut before options. */
function continued(prompt: string, command: string): readonly string[] {
  const lines: string[] = [];
  let current = prompt;
  for (const part of command.split(/ (?=--|\|)/)) {
    const isFirst = current === prompt;
    if (!isFirst && current.length + part.length + 3 > COLUMNS) {
      lines.push(`${current} \\`);
      current = `${' '.repeat(prompt.length + 2)}${part}`;
    } else current += isFirst ? part : ` ${part}`;
  }
  return [...lines, current];
}

function filled(words: readonly string[], first: string, next: string): readonly string[] {
  const lines: string[] = [];
  let current = first;
  for (const word of words) {
    const isFirst = current === first || current === next;
    if (!isFirst && current.length + 1 + word.length > COLUMNS) {
      lines.push(current);
      current = `${next}${word}`;
    } else current += isFirst ? word : ` ${word}`;
  }
  return [...lines, current];
}
