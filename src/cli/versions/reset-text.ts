import type { ResetMove, ResetPlan } from '../../replay/index.js';

/** A plan as text: its effect on each partition, store and topic. */
export function resetText(plan: ResetPlan): string {
  const { applicationId, topology, moves, stores, repartitions, effects, warnings, resumes } = plan;
  const lines = [`reset of the application ${applicationId} (topology ${topology})`];
  if (resumes !== null) lines.push(`  continues ${resumes}, which was interrupted`);
  lines.push('', 'positions', ...moveLines(moves));
  lines.push('', `stores: ${stores.names.length === 0 ? 'there are none' : stores.action}`);
  if (stores.action === 'delete' && stores.names.length > 0) {
    lines.push(`  of ${stores.names.join(', ')}`);
    lines.push(...stores.directories.map((directory) => `  directory ${directory}`));
    lines.push(...stores.changelogs.map((topic) => `  topic ${topic}`));
    lines.push('  other machines of the application have their own directories: delete them there');
  }
  if (repartitions.topics.length > 0) {
    const does = {
      keep: 'keep as they are',
      skip: 'skip unread records',
      delete: 'delete, and create again',
    };
    lines.push('', `repartition topics: ${does[repartitions.action]}`);
    lines.push(...repartitions.topics.map(({ name }) => `  topic ${name}`));
  }
  lines.push('', `outputs and calls: ${effectsText(plan, effects)}`);
  if (warnings.length > 0) lines.push('', ...warnings.map((warning) => `warning: ${warning}`));
  return `${lines.join('\n')}\n`;
}

function moveLines(moves: readonly ResetMove[]): readonly string[] {
  const rows = moves.map(({ topic, partition, from, to, latest }) => ({
    place: `${topic}[${partition}]`,
    from: from === null ? 'none' : String(from),
    to: String(to),
    note: to === from ? 'unchanged' : `${latest - to} records to process`,
  }));
  const width = (field: 'place' | 'from' | 'to'): number => Math.max(...rows.map((row) => row[field].length));
  return rows.map(
    ({ place, from, to, note }) =>
      `  ${place.padEnd(width('place'))}  ${from.padStart(width('from'))} → ${to.padEnd(width('to'))}  ${note}`,
  );
}

function effectsText({ moves, applicationId }: ResetPlan, effects: ResetPlan['effects']): string {
  if (!moves.some(({ from, to }) => from !== null && to < from)) return 'live';
  const until = 'until the old positions are reached again, then live';
  if (effects === 'live') return 'live: outputs and calls from before are repeated';
  return effects === 'silent' ? `silent ${until}` : `captured in the topic ${applicationId}-captured ${until}`;
}
