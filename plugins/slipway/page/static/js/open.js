// Open: the way to every interface.

import { Copy, Part, Pill, html, usePart, webAddress } from "./common.js";

export function OpenTab({ path }) {
  const part = usePart(`${path}/open`, 300);
  const addresses = usePart(`${path}/addresses`, 60);
  return html`<${Part} part=${part} name="The list of interfaces">${(data) => html`
    <h2>Once, for kubectl</h2>
    <div class="copyline"><code>${data.login}</code><${Copy} text=${data.login} label="the kubeconfig command" /></div>
    <h2>Interfaces</h2>
    <div class="cards half">${data.interfaces.map((one) => html`<${Interface} one=${one} />`)}</div>
    <h2>Load balancers</h2>
    <${Part} part=${addresses} name="The list of load balancers">${(found) => html`<${Balancers} found=${found.addresses} />`}<//>`}<//>`;
}

function Interface({ one }) {
  const url = webAddress(one.url);
  return html`<div class="card" data-interface=${one.name}><div class="row"><h3>${one.name}</h3>${one.disabled ? html`<${Pill}>left out here<//>` : null}
      <span class="quiet small">${one.component}</span></div>
    <div class="copyline"><code>${one.command}</code><${Copy} text=${one.command} label=${`the command for ${one.name}`} /></div>
    <div class="row small">then <code>${url ?? one.address}</code>${url ? html`<${Copy} text=${url} label=${`the address of ${one.name}`} />` : null}</div></div>`;
}

function Balancers({ found }) {
  if (!found.length) return html`<div class="empty">No Service or Ingress of this platform has a load balancer.</div>`;
  return html`<ul class="plain">${found.map((one) => html`<li class="row"><strong>${one.kind} ${one.namespace}/${one.name}</strong>
    ${one.hosts.length ? one.hosts.map((host) => html`<code>${one.scheme}://${host}</code><${Copy} text=${`${one.scheme}://${host}`} label=${`the address of ${one.name}`} />`) : html`<span class="quiet">no address yet</span>`}</li>`)}</ul>`;
}
