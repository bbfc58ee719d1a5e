/** The public API of bpfvm without the Node adapters. */
export * from './errors.js';
