import { stringCode } from '../../model/code-text.js';
import type { ExportStep, TopologyOrigin } from '../load/load-topology.js';

/** One way to import what exports a topology. */
export interface TopologyImport {
  /** Between `import` and `from`. `as`: the name that it gets. */
  readonly clause: (as: string) => string;
  /** The expression of the export, if the import has that name. */
  readonly exported: (as: string) => string;
}

const itself = (as: string): string => as;

/**
 * The ways to import an export, the most usual first. What a module of CommonJS exports may be part of its
 * default export: this depends on the file, and on the module that imports it.
 */
export function importsOf({ name = 'default' }: TopologyOrigin): readonly TopologyImport[] {
  const whole = { clause: itself, exported: itself };
  // A loader that turns the test into CommonJS imports what is inside, and others import what is around it.
  if (name === 'default')
    return [whole, { ...whole, exported: (as) => `('default' in ${as} ? ${as}.default : ${as})` }];
  const exported = /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(name) ? name : stringCode(name);
  const inside = (as: string): string => (exported === name ? `${as}.${name}` : `${as}[${exported}]`);
  const named = { clause: (as: string) => `{ ${name === as ? as : `${exported} as ${as}`} }`, exported: itself };
  return [named, { ...whole, exported: inside }];
}

/** Code that makes the topology of what is exported: lines to run first, and an expression. */
export function madeTopology(
  exported: string,
  steps: readonly ExportStep[],
  typed: boolean,
): { readonly lines: string; readonly topology: string } {
  const awaited = steps.includes('await') ? `await ${exported}` : exported;
  const called = steps.includes('call') ? `await ${awaited === exported ? exported : `(${awaited})`}()` : awaited;
  if (!steps.includes('dependencies')) return { lines: '', topology: called };
  // Loading the file has called it: it is there.
  const given = `await open.dependencies${typed ? '!' : ''}()`;
  return { lines: `    const open = ${called};\n`, topology: `open.with(${given})` };
}
