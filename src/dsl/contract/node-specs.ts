import type { DeclaredGlobalTable, DeclaredRepartition, DeclaredSink, DeclaredSource } from './processor.js';

/** What operators specify of a node. The declaration adds its id and its connections. */
export type SourceSpec = Omit<DeclaredSource, 'id' | 'outlet'>;
export type GlobalTableSpec = Omit<DeclaredGlobalTable, 'id'>;
export type RepartitionSpec = Omit<DeclaredRepartition, 'id' | 'input' | 'outlet' | 'table'>;
export type SinkSpec = Omit<DeclaredSink, 'id' | 'input'> & { readonly name?: string };
