import type { PolicyOptions } from './policy-options.js';
import type { DeclaredGlobalTable, DeclaredRepartition, DeclaredSink, DeclaredSource } from './processor.js';

/** What operators specify of a node. The declaration adds its id and its connections. */
export type SourceSpec = Omit<DeclaredSource, 'id' | 'outlet'> & PolicyOptions;
export type GlobalTableSpec = Omit<DeclaredGlobalTable, 'id'> & PolicyOptions;
export type RepartitionSpec = Omit<DeclaredRepartition, 'id' | 'input' | 'outlet' | 'table'> & PolicyOptions;
export type SinkSpec = Omit<DeclaredSink, 'id' | 'input'> & { readonly name?: string } & PolicyOptions;
