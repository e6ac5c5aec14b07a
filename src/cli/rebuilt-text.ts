import type { RebuiltTask } from '../replay/index.js';
import { formatCount } from './rate.js';

/** How new stores differ from the old ones, for people. */
export function rebuiltText(store: string, tasks: readonly RebuiltTask[]): string {
  const lines = tasks.map(({ task, equal, added, changed, removed, unreadable, behind, finished }) => {
    if (finished) return `  ${task}  in place since an earlier rebuild, which has left rows to remove`;
    const counts = Object.entries({ equal, added, changed, removed }).map(
      ([what, rows]) => `${what} ${formatCount(rows)}`,
    );
    if (unreadable > 0) counts.push(`unreadable in the old one ${formatCount(unreadable)}`);
    if (behind) counts.push('the old store was behind what is committed');
    return `  ${task}  ${counts.join(', ')}`;
  });
  return `the new store ${store}, compared with the old one (rows)\n${lines.join('\n')}\n`;
}
