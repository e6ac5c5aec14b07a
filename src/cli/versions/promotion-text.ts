import type { PromotionPlan, TakeOver } from '../../replay/index.js';
import { formatCount } from '../terminal/rate.js';

/** A plan as text: which version takes over, and where it continues. */
export function promotionText(plan: PromotionPlan): string {
  const { kind, applicationId, topology, resumes, version, retires, moves, effects } = plan;
  const lines = [
    `${kind === 'promote' ? 'promotion' : 'rollback'} of the application ${applicationId} (topology ${topology})`,
  ];
  if (resumes !== null) {
    lines.push(
      `  continues ${resumes}, which was interrupted: the versions have changed places; the old one remains to be kept`,
    );
    return `${lines.join('\n')}\n`;
  }
  lines.push('', 'positions: live version → where the other version continues', ...moveLines(moves));
  lines.push(
    '',
    `stores and internal topics: from now on ${version.prefix}-…`,
    `  kept for a rollback: ${retires.prefix}-…`,
  );
  lines.push('', `outputs and calls: ${effectsText(plan, effects)}`);
  return `${lines.join('\n')}\n`;
}

function moveLines(moves: readonly TakeOver[]): readonly string[] {
  const rows = moves.map(({ topic, partition, live, next, until }) => ({
    place: `${topic}[${partition}]`,
    live: live === null ? 'none' : String(live),
    next: String(next),
    note: until > next ? `${formatCount(until - next)} offsets to catch up` : 'level',
  }));
  const width = (field: 'place' | 'live' | 'next'): number => Math.max(...rows.map((row) => row[field].length));
  return rows.map(
    ({ place, live, next, note }) =>
      `  ${place.padEnd(width('place'))}  ${live.padStart(width('live'))} → ${next.padEnd(width('next'))}  ${note}`,
  );
}

function effectsText({ moves, applicationId }: PromotionPlan, effects: PromotionPlan['effects']): string {
  if (moves.every(({ next, until }) => until <= next)) return 'live';
  const until = 'until it has caught up with the live version, then live';
  if (effects === 'live')
    return 'live: the outputs and calls that the live version has made for these records are repeated';
  return effects === 'silent' ? `silent ${until}` : `captured in the topic ${applicationId}-captured ${until}`;
}
