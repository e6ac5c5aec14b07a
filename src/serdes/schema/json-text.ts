/**
 * The JSON of a schema, as `JSON.stringify` writes it, except for −0, which `JSON.stringify` writes as 0. As
 * a default of a float or double, −0 differs from 0. It is written as `-0.0`, so that readers in other
 * languages parse it as a fraction too.
 */
export function jsonText(value: unknown, space?: number): string {
  let found = false;
  const look = (_: string, one: unknown): unknown => {
    found ||= Object.is(one, -0);
    return one;
  };
  const text = JSON.stringify(value, look, space);
  if (!found) return text;
  // A text that occurs nowhere else stands for −0.
  let marker = '-0';
  while (text.includes(JSON.stringify(marker))) marker += '-';
  const marked = JSON.stringify(value, (_, one) => (Object.is(one, -0) ? marker : one), space);
  return marked.replaceAll(JSON.stringify(marker), '-0.0');
}
