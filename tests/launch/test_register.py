"""Which sweep a file repeats or extends."""

from __future__ import annotations

from launch.register import extends, with_seeds_of


def test_a_sweep_is_extended_by_seeds_and_values_but_not_by_other_fixed_values():
    def config(**parameters):
        return {"name": "n", "method": "grid", "parameters": parameters}

    old = config(seed={"values": [0, 1]}, fusion={"values": ["late"]}, epochs={"value": 3})
    more = config(
        seed={"values": [0, 1, 2]}, fusion={"values": ["late", "add"]}, epochs={"value": 3}
    )
    assert extends(more, old) and not extends(old, more)
    assert extends(config(**{**old["parameters"], "seed": {"value": 0}}), old)
    assert not extends(config(**{**more["parameters"], "epochs": {"value": 4}}), old)
    named = [config(random_seed={"values": v}, depth={"value": 1}) for v in ([0, 1], [5])]
    assert extends(named[1], named[0])
    both = with_seeds_of(named[1], named[0])["parameters"]["random_seed"]
    assert both == {"values": [0, 1, 5]}
    nested = [config(net={"parameters": {"depth": {"values": v}}}) for v in ([1], [1, 2], [2, 3])]
    assert extends(nested[1], nested[0]) and not extends(nested[2], nested[1])
    fewer = config(**{**more["parameters"], "seed": {"values": [5]}})
    assert with_seeds_of(fewer, old)["parameters"]["seed"] == {"values": [0, 1, 5]}
