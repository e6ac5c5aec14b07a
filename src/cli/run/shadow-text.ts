import type { Topology } from '../../dsl/contract/processor.js';
import { whenReady } from '../../model/not-ready.js';
import type { OutputComparison } from '../../replay/index.js';
import type { SerdeServices } from '../../serdes/serde.js';
import { openTopicSerdes } from '../records/topic-serdes.js';
import { formatCount } from '../terminal/rate.js';
import { keyText, valueText } from '../terminal/show.js';

/**
 * The differences between the outputs of a shadow and the live ones, as text. Fetches the schemas that this
 * needs.
 */
export async function shadowText(
  outputs: readonly OutputComparison[],
  {
    topology,
    applicationId,
    services,
  }: { readonly topology: Topology; readonly applicationId: string; readonly services: SerdeServices },
): Promise<string> {
  const lines = [`outputs of ${applicationId}, compared with the live ones`];
  for (const { topic, records, equal, differences, incomplete } of outputs) {
    const counts = `${formatCount(records.live)} records live, ${formatCount(records.shadow)} in the shadow`;
    lines.push(`  ${topic}  ${equal ? 'equal' : 'different'}: ${counts}`);
    if (incomplete && !equal) lines.push('    the live topic no longer has all its records');
    const serdes = differences.length > 0 ? await openTopicSerdes(topology, topic, 'read', services) : undefined;
    for (const { partition, key, live, shadow } of differences) {
      const side = ({ records: count, last }: typeof live): string =>
        last === undefined ? 'no record' : `${formatCount(count)}, the last ${valueText(last, serdes)}`;
      const shown = await whenReady(() => [
        `    partition ${partition}, key ${keyText(key, serdes)}`,
        `      live    ${side(live)}`,
        `      shadow  ${side(shadow)}`,
      ]);
      lines.push(...shown);
    }
  }
  return `${lines.join('\n')}\n`;
}
