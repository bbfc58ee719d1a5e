/** Test runs on `xdp_md`. */
import { Errno } from '../errors.js';
import { ETH_HLEN } from '../progs/ctx/packet-skb.js';
import { XDP_MAX_LINEAR, XDP_MD, XdpBuff } from '../progs/ctx/xdp-buff.js';
import { AttachType } from '../progs/prog-types.js';
import type { TestRunJob, TestRunOutcome } from '../test-run.js';
import { contextIn, refuse, repeatRun } from './job.js';

const META_MAX = 216;
const LOOPBACK = 1;

export function runXdp(job: TestRunJob): TestRunOutcome {
  const { host, program, dataIn } = job;
  const attached = program.expectedAttachType;
  if (attached === AttachType.XdpDevmap || attached === AttachType.XdpCpumap) {
    refuse(job, Errno.EINVAL, 'programs of devmap and cpumap have no test run');
  }
  const ctx = contextIn(job, XDP_MD.size);
  const view = ctx === null ? null : new DataView(ctx.buffer);
  const metaLength = view === null ? 0 : checkContext(job, view);
  if (dataIn.length - metaLength < ETH_HLEN) refuse(job, Errno.EINVAL, `${ETH_HLEN} bytes at least`);
  const linear = view === null ? dataIn.length : view.getUint32(XDP_MD.dataEnd, true);
  if (linear > XDP_MAX_LINEAR) refuse(job, Errno.EINVAL, `${XDP_MAX_LINEAR} bytes at most`);
  const xdp = new XdpBuff(host.memory, dataIn.subarray(0, linear), metaLength);
  const { run } = host;
  const outer = run.xdp;
  run.xdp = xdp;
  try {
    const ingress = view?.getUint32(XDP_MD.ingressIfindex, true) ?? 0;
    xdp.setIngress(ingress === 0 ? LOOPBACK : ingress, 0);
    const { retval, durationNs } = repeatRun(job, () => program.run(xdp));
    if (view !== null) {
      view.setUint32(XDP_MD.data, xdp.data - xdp.meta, true);
      view.setUint32(XDP_MD.dataEnd, xdp.end - xdp.meta, true);
    }
    return { retval, durationNs, dataOut: xdp.bytes(), ctxOut: ctx };
  } finally {
    run.xdp = outer;
    xdp.destroy();
  }
}

/** Bytes of metadata that the context announces. */
function checkContext(job: TestRunJob, ctx: DataView): number {
  const word = (offset: number): number => ctx.getUint32(offset, true);
  const data = word(XDP_MD.data);
  const end = word(XDP_MD.dataEnd);
  if (word(XDP_MD.dataMeta) !== 0 || end > job.dataIn.length || data > end) {
    refuse(job, Errno.EINVAL, 'data_meta must be 0, data and data_end inside the packet');
  }
  if ((data & 3) !== 0 || data > META_MAX) refuse(job, Errno.EINVAL, `${data} bytes of metadata`);
  const ingress = word(XDP_MD.ingressIfindex);
  if (word(20) !== 0) refuse(job, Errno.EINVAL, 'egress_ifindex must be 0');
  if (ingress === 0 && word(XDP_MD.rxQueueIndex) !== 0)
    refuse(job, Errno.EINVAL, 'a queue without interface');
  if (ingress > LOOPBACK) refuse(job, Errno.ENODEV, 'only interface 1 exists');
  if (ingress !== 0 && word(XDP_MD.rxQueueIndex) !== 0) refuse(job, Errno.EINVAL, 'only queue 0 exists');
  return data;
}
