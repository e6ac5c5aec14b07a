/**
 * The rule by which the example's data are made: a pure function of nothing.
 *
 * 200 clicks, 1 to 60 s after one another, each by one of 30 visitors on one of four campaigns. After one click in four its visitor orders something, 1 s to 45 min later. Whenever 12 clicks have been
 * made, one of 5 other visitors, who never click, orders something, too.
 */

export interface Click {
  readonly visitor: string;
  readonly campaign: string;
  readonly at: string;
}

export interface Order {
  readonly visitor: string;
  readonly order: string;
  readonly cents: number;
  readonly at: string;
}

const CAMPAIGNS = ['search', 'newsletter', 'banner', 'partner'];
const BEGIN = Date.UTC(2026, 2, 1, 9);

const visitor = (n: number): string => `v-${String(n).padStart(2, '0')}`;
const byTime = (a: { readonly at: string }, b: { readonly at: string }): number => (a.at < b.at ? -1 : 1);

export function traffic(): { readonly clicks: readonly Click[]; readonly orders: readonly Order[] } {
  let state = 7;
  /** The next number of a linear congruential generator (Numerical Recipes), made a whole one below `end`. */
  const next = (end: number): number => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return Math.floor((state / 2 ** 32) * end);
  };
  const clicks: Click[] = [];
  const orders: { readonly visitor: string; readonly cents: number; readonly at: string }[] = [];
  const order = (who: string, time: number): void => {
    orders.push({ visitor: who, cents: 100 + next(9_900), at: new Date(time).toISOString() });
  };
  let now = BEGIN;
  for (let n = 1; n <= 200; n++) {
    now += 1_000 * (1 + next(60));
    const who = visitor(1 + next(30));
    clicks.push({ visitor: who, campaign: CAMPAIGNS[next(4)] as string, at: new Date(now).toISOString() });
    if (next(4) === 0) order(who, now + 1_000 * (1 + next(2_700)));
    if (n % 12 === 0) order(visitor(31 + next(5)), now + 1_000 * next(60));
  }
  return {
    clicks,
    orders: orders
      .sort(byTime)
      .map(({ visitor: who, cents, at }, n) => ({ visitor: who, order: `o-${n + 1}`, cents, at })),
  };
}
