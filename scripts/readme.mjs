// The parts of the README that follow from the source: what its first command prints, and the support matrix.
import { readmeWithSupport } from './support-doc.mjs';

/** The block after the first command, replaced by what the command prints now. */
async function withOutput(readme, main) {
  const command = /npx bpfvm (.*)\n/.exec(readme);
  let out = '';
  const io = {
    out: (text) => (out += text),
    err: () => undefined,
    isTty: false,
    stdin: async () => Buffer.alloc(0),
  };
  const code = await main(command[1].split(' '), io);
  if (code !== 0) throw new Error(`README: bpfvm ${command[1]}: exit ${code}`);
  const block = '```text\n';
  const begin = readme.indexOf(block, command.index) + block.length;
  return readme.slice(0, begin) + out + readme.slice(readme.indexOf('```', begin));
}

export async function currentReadme(readme, tables, main) {
  return withOutput(readmeWithSupport(readme, tables), main);
}
