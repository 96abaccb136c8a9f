"""Energy and latency: counts of the simulator times the numbers of a technology file, by layer and in total.

Energies are in femtojoule and times in nanoseconds for the whole run, all arrays together; nothing is added that
doesn't follow from the counts and the technology, so that each figure can be traced to a count, a parameter and its
source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from dialects.machine.counted import CountedProgram
from dialects.machine.target import Target
from dialects.support.errors import InputError
from runtime.cost.counting import COUNTED_OPERATIONS
from runtime.cost.counts import OPERATIONS, OTHERS, program_bits
from runtime.cost.layers import Layer, Pricing, by_operation, in_batches, layer_names, rounds_of, sum_of
from runtime.cost.prices import COMPONENTS, DERIVED, FORMULAS, TIMES, parameters_of
from runtime.cost.sizes import AREAS, area_mm2, buffer_bits, spare_domains
from runtime.cost.technology import Technology, kinds
from runtime.cost.wear import Wear, counted_wear, wear_of
from runtime.network import Network
from runtime.result import Result


class Needs(NamedTuple):
    """What a network asks of a machine."""

    buffer_bits: int
    """most bits of a batch that lie in the global buffer at a time"""
    spare_domains: int
    """of each track, into which it shifts"""
    data_bytes: int
    """of weights and tables in ternary cells"""
    macs: Mapping[str, int] | None
    """multiply-accumulates of one sample by layer, zero weights included; None where they are not known"""


@dataclass(frozen=True)
class Report:
    """A run's layers and their total, with what they were computed from."""

    pricing: Pricing
    samples: int
    batch: int
    """samples that the machine works on at once; batches follow one another"""
    layers: list[Layer]
    """one for each segment, in the order of the network"""
    operations: list[dict[str, Layer]]
    """what each segment's operations have in it; empty where they were not asked for"""
    host: list[str]
    """functions of the network that the host computed at its end; not in any count"""
    total: Layer
    """sums; its rows and arrays are those of the layer that uses most, its utilisation is weighted by searches"""
    wear: list[Wear]
    """what the first array goes through, which all rounds and batches of all programs use; one entry per program"""
    needs: Needs

    @property
    def target(self) -> Target:
        return self.pricing.target

    @property
    def technology(self) -> Technology:
        return self.pricing.technology

    @property
    def program_bytes(self) -> int:
        """Of all machine code, and of the weights and tables of counted programs."""
        return self.pricing.program_bytes + self.needs.data_bytes

    @property
    def batches(self) -> int:
        return -(-self.samples // self.batch)

    @property
    def by_layer(self) -> list[Layer]:
        """The network's layers, each with all its parts, and with the segments that store its outputs."""
        named: dict[str, list[Layer]] = {}
        for name, layer in zip(self._names, self.layers, strict=True):
            named.setdefault(name, []).append(layer)
        return [sum_of(name, parts) for name, parts in named.items()]

    @property
    def by_operation(self) -> list[Layer]:
        """What additions, thresholds and so on come to in the whole network."""
        return _by_operation(self.operations)

    @property
    def operations_of_layers(self) -> dict[str, list[Layer]]:
        """The same for each layer."""
        named: dict[str, list[dict[str, Layer]]] = {}
        for name, share in zip(self._names, self.operations, strict=False):
            named.setdefault(name, []).append(share)
        return {name: _by_operation(shares) for name, shares in named.items()}

    @property
    def _names(self) -> list[str]:
        return layer_names([layer.name for layer in self.layers])

    @property
    def area_mm2(self) -> Mapping[str, float | None]:
        """Area by block, for the arrays that run at a time, with one controller; None where none is stated."""
        return area_mm2(self.technology, self.target, self.total_arrays, 1, self.needs.spare_domains)

    @property
    def total_arrays(self) -> int:
        """Arrays that are in use at a time; more would only be used in turn."""
        return min(self.total.arrays, self.target.arrays)

    def unconfirmed_of(self, component: str) -> list[str]:
        """The parameters of a component of the energy, or of the latency, that are not published as they stand."""
        products = TIMES if component == "latency" else FORMULAS[component]
        used = {name for item in products for name in parameters_of(item, self.technology, self.target)}
        return [name for name in self.technology.unconfirmed if name in used]

    def marked(self, what: str) -> bool:
        """Whether the energy, one of its components, the latency, or a block's area rests on unconfirmed numbers."""
        if what == "energy":
            return any(self.marked(component) for component in COMPONENTS)
        if what in AREAS:
            return bool(self.area_mm2[what] and {*AREAS[what]} & {*self.technology.unconfirmed})
        return bool((what == "latency" or self.total.energy_fj[what]) and self.unconfirmed_of(what))

    @property
    def unconfirmed(self) -> list[str]:
        """All of these."""
        used = {name for component in (*COMPONENTS, "latency") for name in self.unconfirmed_of(component)}
        used |= {name for block, area in self.area_mm2.items() if area for name in AREAS[block]}
        return [name for name in self.technology.unconfirmed if name in used]

    @property
    def nodes(self) -> list[float]:
        """The processes that the numbers in it come from, in nm."""
        products = [item for products in (*FORMULAS.values(), TIMES) for item in products]
        used = {name for item in products for name in parameters_of(item, self.technology, self.target)}
        used |= {name for block, area in self.area_mm2.items() if area for name in AREAS[block]}
        entries = (self.technology.parameters[name] for name in used)
        return sorted({entry.node for entry in entries if entry.node})

    @property
    def unpriced(self) -> list[str]:
        """The parameters of the energy that are 0: what they would price is left out."""
        used = {item.price for products in FORMULAS.values() for item in products} - DERIVED.keys()
        return [name for name in kinds() if name in used and not self.technology[name]]


def make_report(
    result: Result,
    network: Network,
    technology: Technology,
    *,
    batch: int | None = None,
    ignore_instruction_fetch: bool = False,
    operations: bool = False,
) -> Report:
    """The report of a network's run, one that has counts, as if in batches of `batch` samples; None: in one.

    With `operations` it tells additions, thresholds, loads and so on apart. Raises InputError where the counts that
    depend on the data were not traced.
    """
    if not all(run.counts.traced for run in result.segments):
        raise InputError("the counts that depend on the data were not traced", hint="run with tracing for a report")
    batch = min(batch or result.samples, result.samples)
    size = sum(program_bits(program, network.target) for program in network.programs) // 8
    pricing = Pricing(network.target, technology, size, ignore_instruction_fetch)
    layers = [pricing.layer(runs) for runs in in_batches(result, network, batch)]
    shares = by_operation(result, network, batch) if operations else []
    return Report(
        pricing,
        result.samples,
        batch,
        layers,
        [{name: pricing.layer(runs) for name, runs in share.items()} for share in shares],
        result.host,
        sum_of("total", layers),
        _wear(result, network, batch),
        Needs(buffer_bits(network) * batch, spare_domains(network), _data_bytes(network), network.macs),
    )


def _by_operation(shares: Sequence[Mapping[str, Layer]]) -> list[Layer]:
    names = dict.fromkeys((*COUNTED_OPERATIONS, *OPERATIONS, OTHERS))
    found = {name: [share[name] for share in shares if name in share] for name in names}
    return [sum_of(name, layers) for name, layers in found.items() if layers]


def _data_bytes(network: Network) -> int:
    return sum(program.data_bytes for program in network.programs if isinstance(program, CountedProgram))


def _wear(result: Result, network: Network, batch: int) -> list[Wear]:
    """What the first array goes through in all batches, by program."""
    target, found = network.target, list[Wear]()
    for program in network.programs:
        if isinstance(program, CountedProgram):
            found.append(counted_wear(program, target).times(result.samples))
            continue
        whole, rest = (rounds_of(program.rows * size, target) for size in (batch, result.samples % batch))
        found.append(wear_of(program, target).times(whole * (result.samples // batch) + rest))
    return found
