"""``scorrnet measure``: from images to displacement fields."""

from __future__ import annotations

from scorrnet_cli.cli import meaning, options
from scorrnet_cli.cli.group import Debug


def measure(
    reference: options.Reference,
    deformed: options.Deformed = None,
    output: options.Output = None,
    device: options.Device = None,
    mask: options.Mask = None,
    roi: options.Roi = None,
    refine: options.Refine = None,
    window: options.Window = None,
    passes: options.Passes = None,
    segmentation_weights: options.SegmentationWeights = None,
    displacement_weights: options.DisplacementWeights = None,
    refinement_weights: options.RefinementWeights = None,
    strain: options.Strain = None,
    strain_window: options.StrainWindow = None,
    strain_measure: options.StrainMeasure = None,
    strain_order: options.StrainOrder = None,
    mm_per_px: options.MmPerPx = None,
    scale_bar: options.ScaleBar = None,
    fps: options.Fps = None,
    times: options.Times = None,
    settings: options.SettingsFile = None,
    plot: options.Plot = False,
    probability: options.Probability = False,
    json: options.Json = False,
    overwrite: options.Overwrite = False,
    resume: options.Resume = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    debug: Debug = False,
) -> None:
    """Measure the displacement between a reference and one or more deformed images.

    A network finds the speckled surface in REF, a second one measures its
    displacement in every DEF, and least squares refine it. The result holds
    u (right) and v (down), px, for every pixel of the surface in REF.

    [bold]scorrnet measure reference.png deformed.png --plot[/bold]
    """
    how = meaning.asked(
        settings=settings,
        device=device,
        mask=mask,
        roi=roi,
        refine=refine,
        window=window,
        passes=passes,
        segmentation_weights=segmentation_weights,
        displacement_weights=displacement_weights,
        refinement_weights=refinement_weights,
        strain=strain,
        strain_window=strain_window,
        strain_measure=strain_measure,
        strain_order=strain_order,
    ).but(increments=False)  # every DEF is compared with REF, whatever the settings were of
    from scorrnet_cli.cli.console import Talk
    from scorrnet_cli.cli.measure_jobs import run
    from scorrnet_cli.cli.tasks import Asked

    asked = Asked(
        how,
        calibration=meaning.scale(mm_per_px, scale_bar),
        clock=meaning.clock(fps, times),
        plot=plot,
        probability=probability,
        overwrite=overwrite,
        resume=resume,
    )
    talk = Talk(quiet, verbose)
    for change in meaning.changes_since(settings):
        talk.note(change)
    run(reference, meaning.expanded(deformed or []), output, asked, talk, json=json)
