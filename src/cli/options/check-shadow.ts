import { usage } from '../terminal/usage.js';

/** The shadow options of `run`. */
export interface ShadowOptions {
  readonly shadow?: true | undefined;
  readonly fresh?: true | undefined;
}

/**
 * Errors: USAGE for options that a shadow cannot use: it reads what the live application reads, from the
 * beginning.
 */
export function checkShadow({
  shadow,
  fresh,
  input,
  print,
  from,
}: ShadowOptions & {
  readonly input?: readonly unknown[] | undefined;
  readonly print?: readonly unknown[] | undefined;
  readonly from: 'earliest' | 'latest';
}): void {
  if (!shadow) {
    if (fresh) throw usage('cannot use --fresh without --shadow', '--fresh alone', '--shadow --fresh');
    return;
  }
  const given = [
    ...(input?.length ? ['--input'] : []),
    ...(print?.length ? ['--print'] : []),
    ...(from === 'latest' ? ['--from latest'] : []),
  ];
  if (given.length === 0) return;
  throw usage(
    'a shadow reads the topics of the live application from the beginning, and writes to its own topics',
    `--shadow with ${given.join(' and ')}`,
    '--shadow without them',
    'Leave them out; `millrace consume APP-shadow-TOPIC` shows its outputs.',
  );
}
