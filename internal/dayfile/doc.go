// Package dayfile reads what the store wrote: files YYYY-MM-DD.csv, one a day in
// UTC, with a line time,sensor,value,unit,seq for each reading.
//
// It is for the command (plot, export). A file may be written to meanwhile: a
// last line without its end is left out, and a line that cannot be read is
// skipped and counted, so that one bad line does not hide a year.
package dayfile
