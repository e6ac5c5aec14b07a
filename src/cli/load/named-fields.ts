/** A field that an expression names: `value.card.number` is the path `card`, `number` of `value`. */
export interface NamedField {
  readonly of: 'key' | 'value' | 'before';
  readonly path: readonly string[];
}

interface Token {
  readonly kind: 'name' | 'text' | 'number' | 'mark';
  /** Of a text: its content; undefined if it has escapes or parts to compute. */
  readonly text: string | undefined;
}

const ROOTS: ReadonlySet<string | undefined> = new Set(['key', 'value', 'before']);
/** What may give one of these names another meaning within the expression. */
const DECLARING: ReadonlySet<string | undefined> = new Set(['let', 'const', 'var', 'class', 'catch', 'function']);
/** Words before a slash that begins a regular expression: behind other names it divides. */
const BEFORE_VALUE: ReadonlySet<string | undefined> = new Set(
  'await case delete do else in instanceof new of return throw typeof void yield'.split(' '),
);

const TOKEN = new RegExp(
  [
    /\s+|\/\/.*|\/\*[\s\S]*?\*\//u,
    /(?<name>[\p{ID_Start}$_][\p{ID_Continue}$]*)/u,
    /(?<number>\d[\w.]*)/u,
    /(?<text>"(?:[^"\\]|\\[\s\S])*"|'(?:[^'\\]|\\[\s\S])*')/u,
    /(?<mark>\.\.\.|=>|\?\.(?!\d)|[\s\S])/u,
  ]
    .map(({ source }) => source)
    .join('|'),
  'uy',
);
const PATTERN = /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/\w*/uy;

/**
 * The fields that an expression of key, value and before names by dots, or by brackets with a text. Reads the
 * text only; nothing is evaluated. Fields of which it is not sure are left out: an expression may declare
 * names of its own.
 */
export function namedFields(expression: string): readonly NamedField[] {
  const tokens: Token[] = [];
  if (scan(expression, 0, tokens) !== expression.length) return [];
  const declared = declaredNames(tokens);
  if (declared === undefined) return [];
  return tokens.flatMap(({ kind, text }, i) => {
    if (kind !== 'name' || !ROOTS.has(text) || declared.has(text)) return [];
    if (isMark(tokens[i - 1], '.', '?.')) return [];
    const path = pathFrom(tokens, i + 1);
    return path.length > 0 ? [{ of: text as NamedField['of'], path }] : [];
  });
}

const isMark = (token: Token | undefined, ...marks: readonly string[]): boolean =>
  token?.kind === 'mark' && marks.includes(token.text as string);

/** Reads tokens up to the end, or to the bracket that ends a part of a template. Returns where it stopped. */
function scan(source: string, from: number, tokens: Token[]): number {
  let depth = 0;
  let at = from;
  while (at < source.length) {
    const pattern = source[at] === '/' && beginsValue(tokens.at(-1)) ? matched(PATTERN, source, at) : undefined;
    if (pattern && !source.startsWith('//', at) && !source.startsWith('/*', at)) {
      tokens.push({ kind: 'text', text: undefined });
      at += pattern[0].length;
      continue;
    }
    if (source[at] === '`') {
      at = template(source, at + 1, tokens);
      continue;
    }
    const found = matched(TOKEN, source, at);
    if (!found) return -1;
    const { name, number, text, mark } = found.groups ?? {};
    if (mark === '{') depth++;
    else if (mark === '}' && depth-- === 0) return at;
    if (name !== undefined) tokens.push({ kind: 'name', text: name });
    else if (number !== undefined) tokens.push({ kind: 'number', text: number });
    else if (text !== undefined)
      tokens.push({ kind: 'text', text: text.includes('\\') ? undefined : text.slice(1, -1) });
    else if (mark !== undefined) tokens.push({ kind: 'mark', text: mark });
    at += found[0].length;
  }
  return at;
}

/** Reads a template from behind its first backtick, with the tokens of its parts in round brackets. */
function template(source: string, from: number, tokens: Token[]): number {
  for (let at = from; at < source.length; at++) {
    if (source[at] === '\\') at++;
    else if (source[at] === '`') {
      tokens.push({ kind: 'text', text: undefined });
      return at + 1;
    } else if (source.startsWith('${', at)) {
      tokens.push({ kind: 'mark', text: '(' });
      at = scan(source, at + 2, tokens);
      if (at < 0 || source[at] !== '}') return Number.MAX_SAFE_INTEGER;
      tokens.push({ kind: 'mark', text: ')' });
    }
  }
  return Number.MAX_SAFE_INTEGER;
}

function matched(pattern: RegExp, source: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(source);
}

/** Whether a value can begin behind this token. */
function beginsValue(token: Token | undefined): boolean {
  if (token === undefined) return true;
  if (token.kind === 'name') return BEFORE_VALUE.has(token.text);
  return token.kind === 'mark' && !isMark(token, ')', ']', '}');
}

/** The names that the expression declares, as parameters of arrow functions. Undefined: perhaps any. */
function declaredNames(tokens: readonly Token[]): ReadonlySet<string | undefined> | undefined {
  const declared = new Set<string | undefined>();
  for (const [i, token] of tokens.entries()) {
    // An escaped name, a declaration, or a method of an object.
    if (isMark(token, '\\') || (token.kind === 'name' && DECLARING.has(token.text))) return undefined;
    if (isMark(token, ')') && isMark(tokens[i + 1], '{')) return undefined;
    if (!isMark(token, '=>')) continue;
    for (let depth = 0, at = i - 1; at >= 0; at--) {
      if (isMark(tokens[at], ')')) depth++;
      else if (isMark(tokens[at], '(')) depth--;
      else if (tokens[at]?.kind === 'name') declared.add(tokens[at]?.text);
      if (depth === 0) break;
    }
  }
  return declared;
}

function pathFrom(tokens: readonly Token[], from: number): readonly string[] {
  const path: string[] = [];
  for (let at = from; ; ) {
    const [first, second] = [tokens[at], tokens[at + 1]];
    if (isMark(first, '.', '?.') && second?.kind === 'name') {
      path.push(second.text as string);
      at += 2;
      continue;
    }
    const bracket = isMark(first, '?.') ? at + 1 : at;
    const [open, name, close] = tokens.slice(bracket, bracket + 3);
    if (!isMark(open, '[') || name?.kind !== 'text' || name.text === undefined || !isMark(close, ']')) return path;
    path.push(name.text);
    at = bracket + 3;
  }
}
