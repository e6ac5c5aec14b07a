import { usage } from './usage.js';

/** What of the options of `run` has to do with it. */
export interface ShadowOptions {
  readonly shadow?: true | undefined;
  readonly fresh?: true | undefined;
}

/**
 * USAGE for options that a shadow has no use for: it reads what the live application reads, from its
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
    if (fresh) throw usage('--fresh is for shadows', '--fresh without --shadow', '--shadow --fresh');
    return;
  }
  const given = [
    ...(input?.length ? ['--input'] : []),
    ...(print?.length ? ['--print'] : []),
    ...(from === 'latest' ? ['--from latest'] : []),
  ];
  if (given.length === 0) return;
  throw usage(
    'a shadow reads what the live application reads, from the beginning, and writes to topics of its own',
    `--shadow with ${given.join(' and ')}`,
    '--shadow without',
    'Leave them out; `millrace consume APP-shadow-TOPIC` shows what it has written.',
  );
}
