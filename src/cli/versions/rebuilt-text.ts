import type { RebuiltTask } from '../../replay/index.js';
import { formatCount } from '../terminal/rate.js';

/** The differences between new and old stores, as text. */
export function rebuiltText(store: string, tasks: readonly RebuiltTask[]): string {
  const lines = tasks.map(({ task, equal, added, changed, removed, unreadable, behind, finished }) => {
    if (finished) return `  ${task}  in place since an earlier rebuild; its remaining rows must be removed`;
    const counts = Object.entries({ equal, added, changed, removed }).map(
      ([what, rows]) => `${what} ${formatCount(rows)}`,
    );
    if (unreadable > 0) counts.push(`unreadable in the old store ${formatCount(unreadable)}`);
    if (behind) counts.push('the old store was behind the committed positions');
    return `  ${task}  ${counts.join(', ')}`;
  });
  return `the new store ${store}, compared with the old one (rows)\n${lines.join('\n')}\n`;
}
