import { describeMermaid } from './describe-mermaid.js';
import { describeText } from './describe-text.js';
import type { Graph } from './graph.js';

/** The forms of a description: text, JSON, or a drawing. */
export type DescribeFormat = 'text' | 'json' | 'mermaid';

/**
 * Version of the JSON form. Raised when a field changes its meaning or is removed; new fields do not raise
 * it.
 */
const JSON_FORMAT = 1;

/**
 * Describes a topology.
 *
 * - `text`: its sub-topologies with their sources, processors, stores, changelogs, repartitions and sinks.
 *   `<application>` stands for the application id, which the graph does not know.
 * - `json`: the graph as data, with the version of the form as `format`.
 * - `mermaid`: a flow chart for Mermaid, which Markdown renderers draw.
 *
 * The same graph always gives the same text, so the text can be stored and compared.
 */
export function describe(graph: Graph, format: DescribeFormat): string {
  if (format === 'json') return `${JSON.stringify({ format: JSON_FORMAT, ...graph }, null, 2)}\n`;
  return format === 'mermaid' ? describeMermaid(graph) : describeText(graph);
}
