"""Optimizers whose state is split over the processes that train together (ZeRO, Rajbhandari et al. 2020, stage 1).

The parameters of a phase, laid end to end, are cut into as many equal parts as there are processes. Each process keeps
the momenta of its own part and moves it; then the processes exchange what they have moved. What is computed for a
value stays what one process would compute, and a checkpoint stays that of one process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from aae.distributed import Group

States = dict[int, dict[str, Tensor]]
"""What an optimizer has added up, by the number of the parameter: tensors of its shape, and its count of steps."""
KEPT = {torch.optim.Adam: ("step", "exp_avg", "exp_avg_sq"), torch.optim.SGD: ("momentum_buffer",)}
"""The names of what each kind of optimizer adds up; each process has to ask for the same, whatever it has."""


class Sharded(torch.optim.Optimizer):
    """An optimizer of which this process keeps a part. `make` gives the optimizer of some parameters.

    `param_groups` and `state` are those of the part, so a rate that is set here counts.
    """

    def __init__(
        self,
        group: Group,
        parameters: Sequence[nn.Parameter],
        make: Callable[[list[nn.Parameter]], torch.optim.Optimizer],
    ) -> None:
        self.group, self.parameters = group, list(parameters)
        self.each = -(-sum(p.numel() for p in self.parameters) // group.size)
        first, begins = group.rank * self.each, 0
        self.cuts: dict[int, slice] = {}
        """Which values of which parameters are this process's."""
        for number, parameter in enumerate(self.parameters):
            mine = slice(max(first - begins, 0), min(first + self.each - begins, parameter.numel()))
            if mine.start < mine.stop:
                self.cuts[number] = mine
            begins += parameter.numel()
            parameter.data = parameter.data.contiguous()  # the same, but for one that a user's network has transposed
        # Views, so that the part moves in the parameters themselves. A process without a part has an empty one.
        views = [self.parameters[number].detach().view(-1)[mine] for number, mine in self.cuts.items()]
        self.parts = [nn.Parameter(view) for view in views or [self.parameters[0].detach().view(-1)[:0]]]
        self.part = make(self.parts)
        super().__init__(self.parts, self.part.defaults)
        self.param_groups, self.state = self.part.param_groups, self.part.state

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # phases compute their own losses
        """Move this process's part by the gradients of the parameters, and take the other parts from the others."""
        for part, (number, mine) in zip(self.parts, self.cuts.items(), strict=False):
            gradient = self.parameters[number].grad
            part.grad = None if gradient is None else gradient.reshape(-1)[mine]
        self.part.step()
        for parameter, whole in zip(self.parameters, self._whole(self.parts), strict=True):
            parameter.copy_(whole)

    def _whole(self, parts: Sequence[Tensor]) -> Iterator[Tensor]:
        """What belongs to each parameter, in its shape, of which each process has `parts`."""
        mine = torch.cat([part.reshape(-1) for part in parts])
        mine = torch.cat([mine, mine.new_zeros(self.each - len(mine))])
        whole, begins = self.group.joined(mine), 0
        for parameter in self.parameters:
            yield whole[begins : begins + parameter.numel()].view_as(parameter)
            begins += parameter.numel()

    @torch.no_grad()
    def states(self) -> States:
        """The states of all parts, on the processor, in the first process; nothing in the others. All have to call it.

        One kind of state after the other is joined, so no more than that has to fit on the device.
        """
        # 0: a parameter that was never moved, as one that a phase has no gradient for; else 1 more than its steps
        moves = torch.zeros(len(self.parameters), dtype=torch.float64)
        for number, part in zip(self.cuts, self.parts, strict=False):
            if any(value is not None for value in self.state[part].values()):
                moves[number] = 1 + float(self.state[part].get("step", 0))
        counts = self.group.largest(moves).tolist()
        found: States = {number: {} for number, count in enumerate(counts) if count and self.group.first}
        for name in KEPT[type(self.part)]:
            if name == "step":
                each = [torch.tensor(count - 1, dtype=torch.float32) for count in counts]
            else:
                held = [self.state[part].get(name) for part in self.parts]
                each = list(self._whole([p if v is None else v for v, p in zip(held, self.parts, strict=True)]))
            for number, values in found.items():
                values[name] = each[number].to("cpu", copy=True)
        return found

    def take(self, states: States) -> None:
        """Begin with these states of whole parameters, of which this process keeps its part."""
        mine = {
            index: {k: v.clone() if k == "step" else v.reshape(-1)[cut].clone() for k, v in states[number].items()}
            for index, (number, cut) in enumerate(self.cuts.items())
            if number in states
        }
        self.part.load_state_dict({"state": mine, "param_groups": self.part.state_dict()["param_groups"]})
        self.param_groups, self.state = self.part.param_groups, self.part.state


def states_of(optimizer: torch.optim.Optimizer) -> States:
    """What an optimizer has added up. Of a sharded one in the first process alone; all processes have to ask."""
    if isinstance(optimizer, Sharded):
        return optimizer.states()
    states = optimizer.state_dict()["state"]
    return {number: {k: v for k, v in values.items() if v is not None} for number, values in states.items()}


def give_states(optimizer: torch.optim.Optimizer, states: States) -> None:
    """Let an optimizer begin with what another one of as many parameters has added up."""
    if isinstance(optimizer, Sharded):
        return optimizer.take(states)
    copies = {number: {k: v.clone() for k, v in values.items()} for number, values in states.items()}
    optimizer.load_state_dict({"state": copies, "param_groups": optimizer.state_dict()["param_groups"]})
