package install

// FitsIn is the check of a profile that is not the supervisor's own.
var FitsIn = fitsIn
