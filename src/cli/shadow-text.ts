import type { Topology } from '../dsl/processor.js';
import type { OutputComparison } from '../replay/index.js';
import { declared, serdesOf } from './declared.js';
import { formatCount } from './rate.js';
import { keyText, valueText } from './show.js';

/** How the outputs of a shadow differ from the live ones, for people. */
export function shadowText(topology: Topology, applicationId: string, outputs: readonly OutputComparison[]): string {
  const declaration = declared(topology);
  const lines = [`outputs of ${applicationId}, compared with the live ones`];
  for (const { topic, records, equal, differences, incomplete } of outputs) {
    const counts = `${formatCount(records.live)} records live, ${formatCount(records.shadow)} in the shadow`;
    lines.push(`  ${topic}  ${equal ? 'equal' : 'different'}: ${counts}`);
    if (incomplete && !equal) lines.push('    the live topic no longer has all that was written to it');
    const serdes = serdesOf(declaration, topic);
    for (const { partition, key, live, shadow } of differences) {
      const side = ({ records: count, last }: typeof live): string =>
        last === undefined ? 'no record' : `${formatCount(count)}, the last ${valueText(last, serdes)}`;
      lines.push(
        `    partition ${partition}, key ${keyText(key, serdes)}`,
        `      live    ${side(live)}`,
        `      shadow  ${side(shadow)}`,
      );
    }
  }
  return `${lines.join('\n')}\n`;
}
