/** The public API of bpfvm for Node.js. */
export * from './errors.js';
