//! Deliberate faults, compiled into tests only: each must be caught by a test, or the tests are too weak.

#[cfg(test)]
macro_rules! mutations {
    ($($name:ident),+ $(,)?) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Mutation { $($name),+ }

        impl Mutation {
            pub(super) const ALL: &[Self] = &[$(Self::$name),+];
        }
    };
}

#[cfg(test)]
mutations! {
    GoBeforeOthersAreReady,
    GoBeforeOldStoppedAccepting,
    WaitForeverForAcknowledgements,
    DrainOldAtRolloutStart,
    SwitchWithoutDrain,
    IgnoreFailureInRollout,
    LeaveFailedGenerationRunning,
    ForgetQueuedReload,
    ForgetReply,
    TooManyBoots,
    IgnoreSurge,
    NoBootTimeout,
    LateBootIsNotLookedAt,
    NoKillAfterDrain,
    NoKillAfterStop,
    TermWaitsForRollout,
    SecondTermIgnored,
    ReplaceDrained,
    ExitWhileDraining,
    ExitWhenAllFail,
    FirstBootFailureIgnored,
    FirstBootFailureIsPatient,
    WrongExitCode,
    NoPacing,
    PacingNeverResets,
    KillSignalIsPaced,
    KilledBootIsPaced,
    KilledBootIsNeverPaced,
    HungIsLeftAlone,
    HungThreadIsLeftAlone,
    LeavingIsNotReplaced,
    SuspendCounts,
    ScaleBelowOne,
    ScaleDownKeepsWorker,
    RetireDrainsFirst,
    RetireSeveralAtOnce,
    RetireDuringReload,
    StaleTimeout,
    ListenersLeftOpen,
    FailedPreparationIgnored,
    NoKillOfPreparation,
    MemoryIsIgnored,
    LeavingIsNotAwaited,
    RespawnDuringRollback,
    LimitsAreIgnored,
    NoKillAfterAbort,
    HelpersAreNotPaced,
    HungHelperIsLeft,
    HelperOfBeforeIsJudged,
    ExitBeforeHelpers,
    NoEndOfClosing,
    ClosingOutlivesGrace,
    ReloadBesideStage,
    StageServes,
    LoseStagedUnseen,
    PromoteForgotten,
    MoldIsNotAwaited,
    MoldsAreNotPaced,
    HangingMoldIsLeft,
    LateMoldIsLeft,
    ReforkAgain,
    OlderWorkersStay,
    ReforkDropsWorkers,
    MoldBeforeEndsEarly,
    VerdictIsIgnored,
    CanaryForEver,
    KeepBeyondWindow,
    KeptMoldReturnsEmpty,
    KeptMoldEndsUnseen,
    ScaleAboveMost,
    ScaleBelowLeast,
    ScaleDuringRollout,
    ScaleBeyondMemory,
    ScaleFlaps,
    CpusOverOperator,
    CompanionsBeforeWorkers,
    CompanionsOfComingGeneration,
    CompanionsAreNotPaced,
    CompanionsAreNotTerminated,
    CompanionsAreNotKilled,
    ExitBeforeCompanions,
    LeaderIsNeverReplaced,
}

/// `fault!(server.effects, Name)`: whether that fault is active. Always false outside tests.
#[cfg(test)]
macro_rules! fault {
    ($effects:expr, $name:ident) => {
        $effects.mutation == Some($crate::master::supervisor::mutation::Mutation::$name)
    };
}

#[cfg(not(test))]
macro_rules! fault {
    ($effects:expr, $name:ident) => {{
        let _ = &$effects;
        false
    }};
}

pub(super) use fault;
