/** The public API of bpfvm for Node.js. */
export * from './browser.js';
